import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { RunState } from "../../executions/static/executions/run_state.js";

let state;
const run = (status) => ({ method: "graph_execution_event", data: { status } });
const node = (node_id, status, { id = node_id, at = "2026-01-01T00:00:00Z" } = {}) => ({
  method: "node_execution_event",
  data: { node_id, node_exec_id: id, status, add_time: at },
});
const statuses = () => Object.fromEntries([...state.nodes].map(([id, { status }]) => [id, status]));

beforeEach(() => {
  state = new RunState();
});

test("the newest event of a run and of each node is the state", () => {
  for (const event of [
    run("QUEUED"),
    run("RUNNING"),
    node("a", "RUNNING"),
    node("b", "QUEUED"),
    node("a", "COMPLETED"),
  ]) {
    state.apply(event);
  }
  assert.equal(state.run.status, "RUNNING");
  assert.deepEqual(statuses(), { a: "COMPLETED", b: "QUEUED" });
  assert.equal(state.done, 1);
});

test("apply returns the ids of the changed nodes", () => {
  assert.deepEqual(state.apply(node("a", "RUNNING")), ["a"]);
  assert.deepEqual(state.apply(run("RUNNING")), []);
  assert.deepEqual(state.apply({ method: "something_new", data: null }), []);
});

test("the newest execution of a node counts", () => {
  state.apply(node("a", "COMPLETED", { id: "1" }));
  state.apply(node("a", "RUNNING", { id: "2", at: "2026-01-01T00:00:00.5Z" }));
  state.apply(node("a", "FAILED", { id: "1" }));
  assert.deepEqual(statuses(), { a: "RUNNING" });
});

test("a run that is queued again after a termination starts without nodes", () => {
  for (const event of [run("RUNNING"), node("a", "TERMINATED"), run("TERMINATED")]) state.apply(event);
  assert.equal(state.apply(run("QUEUED")), null);
  assert.deepEqual(statuses(), {});
});

test("a run that continues after a review keeps its nodes", () => {
  for (const event of [run("RUNNING"), node("a", "COMPLETED"), run("REVIEW"), run("QUEUED")]) state.apply(event);
  assert.deepEqual(statuses(), { a: "COMPLETED" });
});

test("a deleted node execution is removed", () => {
  state.apply(node("a", "COMPLETED", { id: "1" }));
  assert.deepEqual(state.apply({ method: "node_execution_deleted", data: { node_exec_id: "other" } }), []);
  assert.deepEqual(state.apply({ method: "node_execution_deleted", data: { node_exec_id: "1" } }), ["a"]);
  assert.deepEqual(statuses(), {});
});
