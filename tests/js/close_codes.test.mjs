/** The client does for each close code what the table of the server says, which test_javascript.py hands over. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { delayBeforeReconnect, isSignedOut } from "../../realtime/static/realtime/reconnect.js";

const given = process.env.CLOSE_CODES;
const { codes, any_other } = JSON.parse(given ?? '{"codes": {}, "any_other": ""}');
const options = { skip: given ? false : "pytest tests/js hands over the table" };

const FIRST_ATTEMPTS = [
  { most: 0, word: "at once" },
  { most: 1_000, word: "with back-off" },
  { most: 5_000, word: "after a random delay" },
];

/** What the client does, in the words of the table. */
function comesBack(code) {
  if (isSignedOut(code)) return "with other credentials only";
  const most = delayBeforeReconnect(code, 0, () => 1);
  return FIRST_ATTEMPTS.find((each) => each.most === most)?.word ?? `within ${most} ms`;
}

test("each code has the answer that the table gives", options, () => {
  const answers = Object.fromEntries(Object.keys(codes).map((code) => [code, comesBack(Number(code))]));
  assert.deepEqual(answers, codes);
});

test("every other code has the same answer", options, () => {
  for (let code = 1_000; code < 5_000; code += 1) {
    if (!(code in codes)) assert.equal(comesBack(code), any_other, code);
  }
});

test("after a first failure every code that comes back does so with back-off", options, () => {
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
