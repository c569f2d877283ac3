import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, mock, test } from "node:test";

import { RunwireClient } from "../../realtime/static/realtime/client.js";
import { FakeServer } from "./fake_server.mjs";

const KEPT = ["document", "location", "addEventListener"];
let server, client, page;

before(() => {
  page = new EventTarget();
  globalThis.document = Object.assign(new EventTarget(), { visibilityState: "visible" });
  globalThis.location = { href: "https://runs.example/executions/?page=2" };
  globalThis.addEventListener = page.addEventListener.bind(page);
});

after(() => {
  for (const name of KEPT) delete globalThis[name];
});

beforeEach(() => {
  mock.timers.enable({ apis: ["setTimeout", "Date"], now: 0 });
  server = new FakeServer();
  client = new RunwireClient();
  client.open();
  server.accept();
});

afterEach(() => {
  client.close();
  mock.timers.reset();
});

const happens = (name, more) => page.dispatchEvent(Object.assign(new Event(name), more));
const isLookedAt = (visibilityState) => {
  document.visibilityState = visibilityState;
  document.dispatchEvent(new Event("visibilitychange"));
};

test("the socket connects to the page's own host", () => {
  assert.equal(server.socket.url, "wss://runs.example/ws?refusal=frame");
});

test("it reconnects at once when the network is back", () => {
  server.socket.drop();
  happens("online");
  assert.equal(client.state.name, "connecting");
});

test("it checks the connection when the network is gone, because the server may be on this machine", () => {
  happens("offline");
  assert.equal(server.requests.at(-1).method, "heartbeat");
  assert.equal(client.state.name, "live");
});

test("a tab that becomes visible checks its connection", () => {
  isLookedAt("hidden");
  assert.deepEqual(server.requests, []);
  isLookedAt("visible");
  assert.equal(server.requests.at(-1).method, "heartbeat");
});

test("a page in the back/forward cache closes its socket, and opens it again", () => {
  happens("pagehide");
  assert.equal(client.state.name, "closed");
  happens("pageshow");
  server.accept();
  assert.equal(client.state.name, "live");
});

test("a client that was closed on purpose stays closed", () => {
  client.close();
  happens("pagehide");
  happens("pageshow");
  assert.equal(client.state.name, "closed");
});
