import assert from "node:assert/strict";
import { test } from "node:test";

import { duration, label, momentOf, values } from "../../executions/static/executions/text.js";

// The same as in tests/executions/web/test_formatting.py: server and browser must agree.
test("a duration has readable units", () => {
  const said = [-1, 0, 85, 999, 1_000, 1_240, 59_900, 60_000, 185_000, 3_599_000, 3_600_000, 7_500_000, 360_000_000];
  assert.deepEqual(said.map(duration), [
    "0 ms",
    "0 ms",
    "85 ms",
    "999 ms",
    "1.0 s",
    "1.2 s",
    "59.9 s",
    "1 min 00 s",
    "3 min 05 s",
    "59 min 59 s",
    "1 h 00 min",
    "2 h 05 min",
    "100 h 00 min",
  ]);
});

test("a label is the status in words", () => {
  assert.deepEqual(["RUNNING", "REVIEW", ""].map(label), ["Running", "Review", "Waiting"]);
});

test("values are shown as text or JSON", () => {
  assert.deepEqual(values({ text: "a\nb", list: [1, "ä"], nothing: null }), [
    { name: "text", text: "a\nb", more: "" },
    { name: "list", text: '[\n  1,\n  "ä"\n]', more: "" },
    { name: "nothing", text: "null", more: "" },
  ]);
});

test("a list with one value is shown as that value", () => {
  const shown = values({ one: ["a"], two: [1, 2], none: [] }, { areLists: true }).map(({ text }) => text);
  assert.deepEqual(shown, ["a", "[\n  1,\n  2\n]", "[]"]);
});

test("a long text is cut between characters, with the number of hidden ones", () => {
  const [{ text, more }] = values({ text: "😀".repeat(2_500) });
  assert.equal(text, "😀".repeat(2_000));
  assert.equal(more, "and 500 more characters");
});

test("long JSON is cut like the server cuts it", () => {
  const [{ text, more }] = values({ list: [..."x".repeat(1_000)] });
  assert.equal(text, JSON.stringify([..."x".repeat(1_000)], null, 2).slice(0, 2_000));
  assert.equal(more, "and more");
});

test("a list shows a hundred values, and cuts long names", () => {
  const shown = values(Object.fromEntries(Array.from({ length: 250 }, (_, number) => [`n${number}`, number])));
  assert.equal(shown.length, 101);
  assert.deepEqual(shown[100], { name: "…", text: "", more: "and 150 more values" });
  assert.equal(values({ ["m".repeat(201)]: 1 })[0].name, `${"m".repeat(200)}…`);
});

test("no data gives no values", () => {
  assert.deepEqual(values(undefined), []);
  assert.deepEqual(values({}), []);
});

test("the time of an event is the start of its status", () => {
  const times = { add_time: "a", queue_time: "q", start_time: "s", end_time: "e" };
  assert.equal(momentOf({ status: "INCOMPLETE", add_time: "a" }), "a");
  assert.equal(momentOf({ status: "QUEUED", ...times }), "q");
  assert.equal(momentOf({ status: "RUNNING", ...times }), "s");
  assert.equal(momentOf({ status: "FAILED", ...times }), "e");
  assert.equal(momentOf({ status: "COMPLETED", started_at: "s", ended_at: "e" }), "e");
  assert.equal(momentOf({ status: "QUEUED", started_at: null }), null);
});
