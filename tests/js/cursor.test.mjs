import assert from "node:assert/strict";
import { test } from "node:test";

import { Cursor } from "../../realtime/static/realtime/cursor.js";

const answer = (head, more = {}) => ({ epoch: "e", head, recovered: true, ...more });
const receive = (cursor, ...seqs) => seqs.map((seq) => cursor.receive(seq));

test("without a position the whole history is requested", () => {
  assert.deepEqual(new Cursor().request, { after: 0, replay: "all" });
  assert.deepEqual(new Cursor({ replay: "latest", limit: 5 }).request, { replay: "latest", limit: 5 });
  assert.deepEqual(new Cursor({ replay: "none" }).request, { replay: "none" });
});

test("a known position is used with any replay option", () => {
  const cursor = new Cursor({ after: 7, epoch: "e", replay: "latest" });
  assert.deepEqual(cursor.request, { after: 7, epoch: "e", replay: "all" });
  assert.deepEqual(cursor.position, { after: 7, epoch: "e" });
});

test("events are applied in order, each once", () => {
  const cursor = new Cursor();
  assert.equal(cursor.begin(answer(2)), "events");
  assert.deepEqual(receive(cursor, 1, 1, 2, 2, 1, 3), ["apply", "drop", "apply", "drop", "drop", "apply"]);
});

test("it has caught up when it reaches the head of the answer", () => {
  const cursor = new Cursor();
  assert.equal(cursor.isCaughtUp, false);
  cursor.begin(answer(2));
  receive(cursor, 1);
  assert.equal(cursor.isCaughtUp, false);
  receive(cursor, 2);
  assert.equal(cursor.isCaughtUp, true);
});

test("an empty stream is caught up at once", () => {
  const cursor = new Cursor();
  cursor.begin(answer(0));
  assert.equal(cursor.isCaughtUp, true);
});

test("after a gap frames are dropped until the answer to a request that starts before the gap", () => {
  const cursor = new Cursor();
  cursor.begin(answer(1));
  assert.deepEqual(receive(cursor, 1, 3, 4, 2), ["apply", "gap", "drop", "drop"]);
  assert.deepEqual(cursor.request, { after: 1, epoch: "e", replay: "all" });
  cursor.begin(answer(4));
  assert.deepEqual(receive(cursor, 2, 3, 4), ["apply", "apply", "apply"]);
});

test("frames before the answer are dropped", () => {
  assert.deepEqual(receive(new Cursor({ after: 4, epoch: "e" }), 5), ["drop"]);
});

test("a snapshot has rising numbers with gaps, and ends at its head", () => {
  const cursor = new Cursor({ replay: "latest" });
  assert.equal(cursor.begin(answer(9)), "snapshot");
  assert.deepEqual(receive(cursor, 2, 7, 7, 9, 10), ["collect", "collect", "drop", "complete", "apply"]);
});

test("a snapshot of an empty stream is complete at once", () => {
  const cursor = new Cursor({ replay: "latest" });
  assert.equal(cursor.begin(answer(0)), "complete");
  assert.deepEqual(cursor.position, { after: 0, epoch: "e" });
});

test("an incomplete snapshot does not move the cursor", () => {
  const cursor = new Cursor({ after: 3, epoch: "old" });
  cursor.begin(answer(9, { recovered: false }));
  receive(cursor, 2, 7);
  cursor.wait();
  assert.deepEqual(cursor.request, { after: 3, epoch: "old", replay: "all" });
});

test("a snapshot without its last frame is requested again", () => {
  const cursor = new Cursor({ replay: "latest" });
  cursor.begin(answer(9));
  assert.deepEqual(receive(cursor, 2, 10), ["collect", "gap"]);
  assert.deepEqual(cursor.request, { replay: "latest" });
});

test("a new epoch replaces the known history", () => {
  const cursor = new Cursor({ after: 40, epoch: "old" });
  assert.equal(cursor.begin({ epoch: "new", head: 2, recovered: false }), "snapshot");
  receive(cursor, 1, 2);
  assert.deepEqual(cursor.position, { after: 2, epoch: "new" });
});

test("the server may restart the stream without a request", () => {
  const cursor = new Cursor();
  cursor.begin(answer(1));
  receive(cursor, 1);
  assert.equal(cursor.begin(answer(30, { recovered: false })), "snapshot");
  assert.deepEqual(receive(cursor, 28, 30, 31), ["collect", "complete", "apply"]);
});

test("without a replay the head is the start", () => {
  const cursor = new Cursor({ replay: "none" });
  cursor.begin(answer(12));
  assert.equal(cursor.isCaughtUp, true);
  assert.deepEqual(receive(cursor, 12, 13), ["drop", "apply"]);
});
