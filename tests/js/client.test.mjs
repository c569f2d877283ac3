import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";

import { RunwireClient } from "../../realtime/static/realtime/client.js";
import { FakeServer } from "./fake_server.mjs";

const RUN = "u|graph_exec#E";
let server, client, states, seen;

beforeEach(() => {
  mock.timers.enable({ apis: ["setTimeout", "Date"], now: 0 });
  mock.method(Math, "random", () => 0.5);
  server = new FakeServer();
  states = [];
  seen = [];
  client = new RunwireClient({ url: "ws://test/ws", onState: (state) => states.push(state.name) });
  client.open();
});

afterEach(() => {
  mock.timers.reset();
  mock.restoreAll();
});

const watchRun = (options) =>
  client.watchExecution("E", {
    onEvent: (event) => seen.push(event.seq),
    onSnapshot: ({ events }) => seen.push(events.map((event) => event.seq)),
    onRefused: (reason) => seen.push(reason),
    ...options,
  });
const publish = (count = 1, entity = "n") => {
  for (let each = 0; each < count; each += 1) server.publish(RUN, "node_execution_event", entity, {});
};
const reconnect = () => {
  server.socket.drop();
  client.open();
  server.accept();
};
const lastRequest = () => server.requests.at(-1);

test("the history is delivered first, then live events", () => {
  publish(2);
  watchRun();
  server.accept();
  publish();
  assert.deepEqual(seen, [1, 2, 3]);
});

test("an event has its data and says whether it is a replay", () => {
  const events = [];
  server.publish(RUN, "graph_execution_event", "graph", { status: "QUEUED" });
  watchRun({ onEvent: (event) => events.push(event) });
  server.accept();
  server.publish(RUN, "graph_execution_event", "graph", { status: "RUNNING" });
  const common = { method: "graph_execution_event", channel: RUN };
  assert.deepEqual(events, [
    { ...common, data: { status: "QUEUED" }, seq: 1, isReplay: true },
    { ...common, data: { status: "RUNNING" }, seq: 2, isReplay: false },
  ]);
});

test("the state follows the connection and the subscriptions", () => {
  server.answer = () => {}; // a server that does not answer yet
  watchRun();
  server.accept();
  assert.deepEqual(states, ["connecting", "catching_up"]);
  delete server.answer;
  reconnect();
  assert.deepEqual(states, ["connecting", "catching_up", "waiting", "connecting", "live"]);
});

test("a connection without watches is live", () => {
  server.accept();
  assert.equal(client.state.name, "live");
});

test("a watch reports when it has caught up", () => {
  const told = [];
  publish(2);
  watchRun({ onEvent: () => told.push("event"), onState: (state) => told.push(state) });
  server.accept();
  assert.deepEqual(told, ["catching_up", "event", "event", "live"]);
});

test("a reconnect delivers only the missed events", () => {
  watchRun();
  server.accept();
  publish(2);
  server.socket.drop();
  publish(2);
  client.open();
  server.accept();
  assert.deepEqual(lastRequest().data, { graph_exec_id: "E", after: 2, epoch: "epoch-1", replay: "all" });
  assert.deepEqual(seen, [1, 2, 3, 4]);
});

test("a lost frame is detected by the next one, and requested", () => {
  watchRun();
  server.accept();
  server.mangle = (frame) => (frame.seq === 2 ? [] : [frame]);
  publish(2);
  server.mangle = (frame) => [frame];
  publish(2);
  assert.deepEqual(seen, [1, 2, 3, 4]);
});

test("a connection that keeps losing frames is replaced", () => {
  server.answer = (channel, { method, id }) => {
    const data = { epoch: "epoch-1", head: 2, recovered: true };
    server.socket.deliver({ method, data, success: true, channel, error: null, id });
    server.socket.deliver({ method: "event", data: {}, success: null, channel, error: null, seq: 2 });
  };
  watchRun();
  server.accept();
  assert.equal(client.state.name, "waiting");
  assert.equal(server.requests.length, 3);
  assert.deepEqual(seen, []);
});

test("events that can no longer be replayed come as a snapshot", () => {
  watchRun();
  server.accept();
  publish(2, "a");
  server.socket.drop();
  publish(2, "b");
  publish(1, "a");
  server.prune(RUN, 3);
  client.open();
  server.accept();
  publish();
  assert.deepEqual(seen, [1, 2, [4, 5], 6]);
});

test("the server may restart a stream without a request", () => {
  watchRun();
  server.accept();
  publish(1, "a");
  server.stream(RUN).epoch = "epoch-2";
  server.answer(RUN, { method: "subscribe_graph_execution", data: { after: 1, epoch: "epoch-1" } });
  assert.deepEqual(seen, [1, [1]]);
  reconnect();
  assert.equal(lastRequest().data.epoch, "epoch-2");
});

test("a watch of a graph starts with the newest event of each execution", () => {
  const channel = "u|graph#G|executions";
  for (const entity of ["a", "b", "a"]) server.publish(channel, "graph_execution_event", entity, {});
  client.watchGraph("G", { onSnapshot: ({ events }) => seen.push(events.map((event) => event.seq)) });
  server.accept();
  assert.deepEqual(seen, [[2, 3]]);
});

test("a watch can continue where an earlier one ended", () => {
  publish(3);
  const watch = watchRun({ after: 2, epoch: "epoch-1" });
  server.accept();
  assert.deepEqual(seen, [3]);
  assert.deepEqual(watch.position, { after: 3, epoch: "epoch-1" });
});

test("notifications are live only unless a position is given, and their frames have no channel", () => {
  const events = [];
  server.publish("u|notifications", "notification", "1", { type: "info", event: "old" });
  client.watchNotifications({ onEvent: (event) => events.push(event.data.event) });
  server.accept();
  server.publish("u|notifications", "notification", "2", { type: "info", event: "new" });
  assert.deepEqual(events, ["new"]);
  server.socket.drop();
  server.publish("u|notifications", "notification", "3", { type: "info", event: "missed" });
  client.open();
  server.accept();
  assert.deepEqual(events, ["new", "missed"]);
});

test("the id of a notification is that of its event, and not of a request", () => {
  const events = [];
  client.watchNotifications({ replay: "all", onEvent: (event) => events.push(event) });
  server.publish("u|notifications", "notification", "1", { type: "info", event: "first" });
  server.publish("u|notifications", "notification_read", "1", { ids: ["1"], read: true });
  server.accept();
  client.watchExecution("E", { onEvent: (event) => events.push(event) });
  server.answer = () => {};
  client.watchGraph("G"); // its request has the id "3" and waits for an answer
  server.publish("u|notifications", "notification", "3", { type: "info", event: "third" });
  assert.deepEqual(
    events.map(({ id, seq, method }) => [id, seq, method]),
    [
      ["1", 1, "notification"],
      [undefined, 2, "notification_read"],
      ["3", 3, "notification"],
    ],
  );
  assert.deepEqual(client.state, { name: "catching_up" });
});

test("a notification is not taken for an answer", () => {
  client.watchNotifications({ onSnapshot: () => seen.push("snapshot"), onEvent: () => seen.push("event") });
  server.accept();
  const data = { type: "info", event: "hey", recovered: false, epoch: "x", head: 0 };
  server.socket.deliver({ method: "notification", data, success: null, channel: null, error: null });
  assert.deepEqual(seen, []);
});

test("a stopped watch of the notifications unsubscribes, and may begin again", () => {
  server.accept();
  const events = [];
  const watch = () => client.watchNotifications({ onEvent: (event) => events.push(event.data.event) });
  const publish = (event) => server.publish("u|notifications", "notification", event, { type: "info", event });
  watch().stop();
  assert.deepEqual(lastRequest(), { method: "unsubscribe", data: { notifications: true } });
  publish("to nobody");
  watch();
  publish("hey");
  assert.deepEqual(events, ["hey"]);
});

test("a stopped watch delivers nothing, and unsubscribes", () => {
  const watch = watchRun();
  server.accept();
  watch.stop();
  publish();
  assert.deepEqual(seen, []);
  assert.deepEqual(lastRequest(), { method: "unsubscribe", data: { graph_exec_id: "E" } });
});

test("a stopped stream may be watched again", () => {
  watchRun().stop();
  watchRun();
  server.accept();
  publish();
  assert.deepEqual(seen, [1]);
});

test("watching the same stream twice is an error", () => {
  watchRun();
  assert.throws(() => watchRun(), /already watches/);
});

test("a refused watch is reported, and the others become live", () => {
  server.refuses = (request) => request.data.graph_exec_id === "E" && "Graph execution not found";
  watchRun();
  client.watchGraph("G");
  server.accept();
  assert.deepEqual(seen, ["Graph execution not found"]);
  assert.equal(client.state.name, "live");
});

test("only the watch of the stream that has ended subscribes again, and is refused", () => {
  const refused = [];
  for (const id of ["E", "F"]) client.watchExecution(id, { onRefused: () => refused.push(id) });
  server.accept();
  server.refuses = (request) => request.data.graph_exec_id === "F" && "Graph execution not found";
  server.requests.length = 0;
  for (const channel of [null, "u|graph_exec#F"]) {
    server.socket.deliver({
      method: "error",
      data: null,
      success: false,
      channel,
      error: "Graph execution not found",
    });
  }
  assert.deepEqual(refused, ["F"]);
  assert.deepEqual(
    server.requests.map((request) => request.data.graph_exec_id),
    ["F"],
  );
});

test("a subscribe is sent again after an internal error of the server", () => {
  server.refuses = () => "Internal error";
  watchRun();
  server.accept();
  assert.equal(client.state.name, "catching_up");
  server.refuses = null;
  publish();
  mock.timers.tick(1_000);
  assert.deepEqual(seen, [1]);
  assert.equal(client.state.name, "live");
});

test("an error of a handler is reported, and stops nothing", () => {
  const report = mock.method(console, "error", () => {});
  watchRun({
    onEvent: (event) => {
      seen.push(event.seq);
      throw new Error("mine");
    },
  });
  server.accept();
  publish(2);
  assert.deepEqual(seen, [1, 2]);
  assert.equal(report.mock.callCount(), 2);
});

test("after any faults of the network and the log, the state is that of the log", () => {
  for (let seed = 1; seed <= 300; seed += 1) {
    const random = randomNumbers(seed);
    const chance = (share) => random() < share;
    const channel = `u|graph_exec#${seed}`;
    const own = server.stream(channel);
    const state = new Map();
    let last = 0;
    const watch = client.watchExecution(String(seed), {
      onEvent: ({ seq, data }) => {
        assert.equal(seq, last + 1, `seed ${seed}: ${seq} follows ${last}`);
        last = seq;
        state.set(data.entity, data.value);
      },
      onSnapshot: ({ events }) => {
        state.clear();
        for (const { data } of events) state.set(data.entity, data.value);
        last = events.at(-1)?.seq ?? 0;
      },
    });
    reconnect();
    const late = [];
    server.mangle = (frame) => {
      if (chance(0.1)) return [];
      if (chance(0.1)) return [frame, frame];
      if (chance(0.1)) return late.push(frame) && [];
      return [frame, ...late.splice(0)];
    };
    for (let step = 0; step < 60; step += 1) {
      if (chance(0.8)) {
        const entity = `n${Math.floor(random() * 4)}`;
        server.publish(channel, "event", entity, { entity, value: own.events.length + 1 });
      }
      if (chance(0.1)) reconnect();
      if (chance(0.05)) own.floor = Math.floor(random() * own.events.length);
      if (chance(0.02)) own.epoch = `epoch ${step}`;
    }
    server.mangle = (frame) => [frame];
    reconnect();
    const expected = Object.fromEntries(own.events.map(({ data }) => [data.entity, data.value]));
    assert.deepEqual(Object.fromEntries(state), expected, `seed ${seed}`);
    assert.equal(last, own.events.length);
    watch.stop();
  }
});

/** Pseudo-random numbers, the same in every run: a linear congruential generator. */
function randomNumbers(seed) {
  let state = seed;
  return () => {
    state = (state * 1_664_525 + 1_013_904_223) % 2 ** 32;
    return state / 2 ** 32;
  };
}

test("a guest shows the token of its link, and watches the stream that it opens", () => {
  client.close();
  const guest = new RunwireClient({ url: "ws://test/ws?a=b", share: "to-ken&x" });
  guest.open();
  const url = new URL(server.socket.url);
  assert.deepEqual([...url.searchParams], [
    ["a", "b"],
    ["share", "to-ken&x"],
    ["refusal", "frame"],
  ]);
  const watch = guest.watchStream("shared", "E", { replay: "latest" });
  server.accept();
  assert.deepEqual(lastRequest(), {
    method: "subscribe_stream",
    data: { kind: "shared", id: "E", replay: "latest" },
    id: "1",
  });
  watch.stop();
  assert.deepEqual(lastRequest(), { method: "unsubscribe", data: { kind: "shared", id: "E" } });
});
