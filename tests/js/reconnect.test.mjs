import assert from "node:assert/strict";
import { test } from "node:test";

import { delayBeforeReconnect, isSignedOut } from "../../realtime/static/realtime/reconnect.js";

const atMost = (code, failures) => delayBeforeReconnect(code, failures, () => 1);
const atLeast = (code, failures) => delayBeforeReconnect(code, failures, () => 0);

test("the ceiling doubles with every failure, up to a quarter of a minute", () => {
  assert.deepEqual(
    [0, 1, 2, 3, 4, 5, 50].map((failures) => atMost(1006, failures)),
    [1_000, 2_000, 4_000, 8_000, 15_000, 15_000, 15_000],
  );
});

test("any moment below the ceiling is as likely as any other", () => {
  assert.equal(atLeast(1006, 3), 0);
  assert.equal(
    delayBeforeReconnect(1006, 3, () => 0.25),
    2_000,
  );
});

test("after a restart of the server a client comes back at a random moment", () => {
  assert.equal(atLeast(1012, 0), 0);
  assert.equal(atMost(1012, 0), 5_000);
});

test("a client that read too slowly comes back at once, but not again and again", () => {
  assert.equal(atMost(4013, 0), 0);
  assert.equal(atMost(4013, 1), 2_000);
});

test("three codes say that the credentials are no good", () => {
  const codes = [1000, 1001, 1006, 1008, 1009, 1011, 1012, 4000, 4001, 4002, 4003, 4004, 4008, 4013];
  assert.deepEqual(codes.filter(isSignedOut), [4001, 4002, 4003]);
});
