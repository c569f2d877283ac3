import assert from "node:assert/strict";
import { test } from "node:test";

import { delayBeforeReconnect, isSignedOut } from "../../realtime/static/realtime/reconnect.js";

const atMost = (code, failures) => delayBeforeReconnect(code, failures, () => 1);
const atLeast = (code, failures) => delayBeforeReconnect(code, failures, () => 0);

test("the limit doubles with each failure, up to 15 seconds", () => {
  assert.deepEqual(
    [0, 1, 2, 3, 4, 5, 50].map((failures) => atMost(1006, failures)),
    [1_000, 2_000, 4_000, 8_000, 15_000, 15_000, 15_000],
  );
});

test("the delay is uniform below the limit", () => {
  assert.equal(atLeast(1006, 3), 0);
  assert.equal(
    delayBeforeReconnect(1006, 3, () => 0.25),
    2_000,
  );
});

test("after a restart of the server the delay is random", () => {
  assert.equal(atLeast(1012, 0), 0);
  assert.equal(atMost(1012, 0), 5_000);
});

test("a slow client reconnects at once, but only the first time", () => {
  assert.equal(atMost(4013, 0), 0);
  assert.equal(atMost(4013, 1), 2_000);
});

test("three codes mean refused credentials", () => {
  const codes = [1000, 1001, 1006, 1008, 1009, 1011, 1012, 4000, 4001, 4002, 4003, 4004, 4008, 4013];
  assert.deepEqual(codes.filter(isSignedOut), [4001, 4002, 4003]);
});
