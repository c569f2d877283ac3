import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";

import { Connection } from "../../realtime/static/realtime/connection.js";
import { FakeServer } from "./fake_server.mjs";

let server, states, frames, connection;

beforeEach(() => {
  mock.timers.enable({ apis: ["setTimeout", "Date"], now: 1_000_000 });
  mock.method(Math, "random", () => 0.5);
  server = new FakeServer();
  states = [];
  frames = [];
  connection = new Connection({
    url: "ws://test/ws",
    onState: (state) => states.push(state),
    onFrame: (frame) => frames.push(frame),
  });
});

afterEach(() => {
  mock.timers.reset();
  mock.restoreAll();
});

const names = () => states.map((state) => state.name);
const tick = (seconds) => mock.timers.tick(seconds * 1_000);
const connect = () => {
  connection.open();
  server.accept();
};

test("it connects and delivers the received frames", () => {
  connect();
  server.socket.deliver({ method: "notification" });
  assert.deepEqual(names(), ["connecting", "open"]);
  assert.deepEqual(frames, [{ method: "notification" }]);
});

test("a lost connection reports the time of the next attempt, and reconnects", () => {
  connect();
  server.socket.drop();
  assert.deepEqual(states.at(-1), { name: "waiting", retryAt: 1_000_500 });
  tick(0.5);
  assert.equal(server.sockets.length, 2);
  assert.equal(states.at(-1).name, "connecting");
});

test("short connections increase the delay", () => {
  connection.open();
  const waits = [1, 2, 3, 4, 5, 6, 7].map(() => {
    server.accept();
    tick(4);
    server.socket.drop();
    const wait = (states.at(-1).retryAt - Date.now()) / 1_000;
    tick(wait);
    return wait;
  });
  assert.deepEqual(waits, [0.5, 1, 2, 4, 7.5, 7.5, 7.5]);
});

const setClockBack = () => {
  const now = Date.now();
  mock.method(Date, "now", () => now - 86_400_000);
};

for (const [when, meanwhile] of [["", () => {}], [", even if the clock was set back", setClockBack]]) {
  test(`after a stable connection the back-off starts again${when}`, () => {
    connection.open();
    for (const _ of [1, 2, 3]) {
      server.socket.drop();
      tick(5);
    }
    server.accept();
    tick(5);
    meanwhile();
    server.socket.drop();
    assert.equal(states.at(-1).retryAt - Date.now(), 500);
  });
}

for (const code of [4001, 4002, 4003]) {
  test(`${code} means signed out: it does not reconnect`, () => {
    connect();
    server.socket.drop(code);
    tick(3_600);
    connection.wake();
    assert.equal(states.at(-1).name, "signed_out");
    assert.equal(server.sockets.length, 1);
  });
}

for (const code of [4001, 4003]) {
  test(`${code} after a while: it tries once more, since the browser may have other credentials`, () => {
    connect();
    tick(6);
    server.socket.drop(code);
    assert.equal(states.at(-1).name, "connecting");
    server.accept();
    server.socket.drop(code);
    assert.equal(states.at(-1).name, "signed_out");
    assert.equal(server.sockets.length, 2);
  });
}

test("after signing in again it may be opened again", () => {
  connect();
  server.socket.drop(4003);
  connect();
  assert.equal(states.at(-1).name, "open");
});

test("a heartbeat is sent after half a minute of silence", () => {
  connect();
  tick(29);
  server.socket.deliver({ method: "notification" });
  tick(29);
  assert.deepEqual(server.requests, []);
  tick(1);
  assert.deepEqual(server.requests, [{ method: "heartbeat", data: "ping", success: true }]);
});

test("a connection without an answer to a heartbeat for ten seconds is replaced", () => {
  connect();
  server.answersHeartbeats = false;
  tick(30);
  tick(9.9);
  assert.equal(states.at(-1).name, "open");
  tick(0.1);
  assert.equal(states.at(-1).name, "waiting");
});

test("any frame counts as an answer to a heartbeat", () => {
  connect();
  server.answersHeartbeats = false;
  tick(30);
  server.socket.deliver({ method: "notification" });
  tick(20);
  assert.equal(states.at(-1).name, "open");
});

test("a connection attempt times out after ten seconds", () => {
  connection.open();
  tick(10);
  assert.equal(states.at(-1).name, "waiting");
});

test("messages of an abandoned socket are ignored", () => {
  connect();
  const first = server.socket;
  connection.restart();
  first.deliver({ method: "notification" });
  first.drop(4001);
  assert.deepEqual(frames, []);
  assert.equal(states.at(-1).name, "waiting");
});

test("wake reconnects at once", () => {
  connect();
  server.socket.drop();
  connection.wake();
  assert.equal(server.sockets.length, 2);
  tick(1);
  assert.equal(server.sockets.length, 2);
});

test("wake sends one heartbeat on an open socket", () => {
  connect();
  server.answersHeartbeats = false;
  connection.wake();
  connection.wake();
  assert.equal(server.requests.length, 1);
  tick(10);
  assert.equal(states.at(-1).name, "waiting");
});

test("a frame that is not JSON ends the connection", () => {
  connect();
  server.socket.onmessage({ data: "{" });
  assert.equal(states.at(-1).name, "waiting");
});

test("a closed connection stays closed", () => {
  connect();
  connection.close();
  connection.wake();
  tick(3_600);
  assert.deepEqual(names(), ["connecting", "open", "closed"]);
});

test("it asks for the reason of a refusal, and keeps the rest of the URL", () => {
  connection.open();
  assert.equal(server.socket.url, "ws://test/ws?refusal=frame");
  const urls = {
    "wss://test:8443/live/ws?token=a.b-c_d": "wss://test:8443/live/ws?token=a.b-c_d&refusal=frame",
    "ws://test/ws?refusal=http&token=x": "ws://test/ws?refusal=frame&token=x",
  };
  for (const [url, asking] of Object.entries(urls)) {
    new Connection({ url, onState() {}, onFrame() {} }).open();
    assert.equal(server.socket.url, asking);
  }
});
