import assert from "node:assert/strict";
import { test } from "node:test";

import { Cursor } from "../../realtime/static/realtime/cursor.js";

const answer = (head, more = {}) => ({ epoch: "e", head, recovered: true, ...more });
const receive = (cursor, ...seqs) => seqs.map((seq) => cursor.receive(seq));

test("the whole history is asked for where nothing is known", () => {
  assert.deepEqual(new Cursor().request, { after: 0, replay: "all" });
  assert.deepEqual(new Cursor({ replay: "latest", limit: 5 }).request, { replay: "latest", limit: 5 });
  assert.deepEqual(new Cursor({ replay: "none" }).request, { replay: "none" });
});

test("a known number is where it goes on, whatever was wanted first", () => {
  const cursor = new Cursor({ after: 7, epoch: "e", replay: "latest" });
  assert.deepEqual(cursor.request, { after: 7, epoch: "e", replay: "all" });
  assert.deepEqual(cursor.position, { after: 7, epoch: "e" });
});

test("events are applied in order, each once", () => {
  const cursor = new Cursor();
  assert.equal(cursor.begin(answer(2)), "events");
  assert.deepEqual(receive(cursor, 1, 1, 2, 2, 1, 3), ["apply", "drop", "apply", "drop", "drop", "apply"]);
});

test("it has caught up with the head of the answer, not before", () => {
  const cursor = new Cursor();
  assert.equal(cursor.isCaughtUp, false);
  cursor.begin(answer(2));
  receive(cursor, 1);
  assert.equal(cursor.isCaughtUp, false);
  receive(cursor, 2);
  assert.equal(cursor.isCaughtUp, true);
});

test("an empty stream is caught up with at once", () => {
  const cursor = new Cursor();
  cursor.begin(answer(0));
  assert.equal(cursor.isCaughtUp, true);
});

test("a hole ends everything until the answer to another request, which starts before the hole", () => {
  const cursor = new Cursor();
  cursor.begin(answer(1));
  assert.deepEqual(receive(cursor, 1, 3, 4, 2), ["apply", "hole", "drop", "drop"]);
  assert.deepEqual(cursor.request, { after: 1, epoch: "e", replay: "all" });
  cursor.begin(answer(4));
  assert.deepEqual(receive(cursor, 2, 3, 4), ["apply", "apply", "apply"]);
});

test("frames that come before the answer are none of this subscription's", () => {
  assert.deepEqual(receive(new Cursor({ after: 4, epoch: "e" }), 5), ["drop"]);
});

test("a snapshot rises with holes and ends with its head", () => {
  const cursor = new Cursor({ replay: "latest" });
  assert.equal(cursor.begin(answer(9)), "snapshot");
  assert.deepEqual(receive(cursor, 2, 7, 7, 9, 10), ["collect", "collect", "drop", "complete", "apply"]);
});

test("a snapshot of an empty stream is complete at once", () => {
  const cursor = new Cursor({ replay: "latest" });
  assert.equal(cursor.begin(answer(0)), "complete");
  assert.deepEqual(cursor.position, { after: 0, epoch: "e" });
});

test("a snapshot that was cut off leaves the cursor where it was", () => {
  const cursor = new Cursor({ after: 3, epoch: "old" });
  cursor.begin(answer(9, { recovered: false }));
  receive(cursor, 2, 7);
  cursor.wait();
  assert.deepEqual(cursor.request, { after: 3, epoch: "old", replay: "all" });
});

test("a snapshot whose last frame is missing is asked for again", () => {
  const cursor = new Cursor({ replay: "latest" });
  cursor.begin(answer(9));
  assert.deepEqual(receive(cursor, 2, 10), ["collect", "hole"]);
  assert.deepEqual(cursor.request, { replay: "latest" });
});

test("another history takes the place of the known one", () => {
  const cursor = new Cursor({ after: 40, epoch: "old" });
  assert.equal(cursor.begin({ epoch: "new", head: 2, recovered: false }), "snapshot");
  receive(cursor, 1, 2);
  assert.deepEqual(cursor.position, { after: 2, epoch: "new" });
});

test("the server may begin again unasked", () => {
  const cursor = new Cursor();
  cursor.begin(answer(1));
  receive(cursor, 1);
  assert.equal(cursor.begin(answer(30, { recovered: false })), "snapshot");
  assert.deepEqual(receive(cursor, 28, 30, 31), ["collect", "complete", "apply"]);
});

test("where nothing is to be repeated, the head is the beginning", () => {
  const cursor = new Cursor({ replay: "none" });
  cursor.begin(answer(12));
  assert.equal(cursor.isCaughtUp, true);
  assert.deepEqual(receive(cursor, 12, 13), ["drop", "apply"]);
});
