/** For each close code the client follows the server's table. test_javascript.py passes the table in CLOSE_CODES. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { delayBeforeReconnect, isSignedOut } from "../../realtime/static/realtime/reconnect.js";

const table = process.env.CLOSE_CODES;
const { codes, any_other } = JSON.parse(table ?? '{"codes": {}, "any_other": ""}');
const options = { skip: table ? false : "pytest tests/test_javascript.py passes the table" };

const FIRST_ATTEMPTS = [
  { limit: 0, word: "at once" },
  { limit: 1_000, word: "with back-off" },
  { limit: 5_000, word: "after a random delay" },
];

/** How the client reconnects, in the words of the table. */
function comesBack(code) {
  if (isSignedOut(code)) return "with other credentials only";
  const limit = delayBeforeReconnect(code, 0, () => 1);
  return FIRST_ATTEMPTS.find((each) => each.limit === limit)?.word ?? `within ${limit} ms`;
}

test("each code has the delay of the table", options, () => {
  const returns = Object.fromEntries(Object.keys(codes).map((code) => [code, comesBack(Number(code))]));
  assert.deepEqual(returns, codes);
});

test("every other code has the same delay", options, () => {
  for (let code = 1_000; code < 5_000; code += 1) {
    if (!(code in codes)) assert.equal(comesBack(code), any_other, code);
  }
});

test("after a first failure every code that reconnects uses back-off", options, () => {
  for (const code of [...Object.keys(codes).map(Number), 4_999].filter((each) => !isSignedOut(each))) {
    assert.deepEqual(
      [1, 2, 9].map((failures) => delayBeforeReconnect(code, failures, () => 1)),
      [2_000, 4_000, 15_000],
    );
    assert.equal(
      delayBeforeReconnect(code, 1, () => 0),
      0,
    );
  }
});
