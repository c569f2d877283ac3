/**
 * The state of a run from its events: the newest event of the run, and the newest execution of each node. Pure.
 *
 *     const state = new RunState();
 *     state.apply(event);
 *     state.run.status, state.nodes.get("split")?.output_data, state.done
 */
export class RunState {
  constructor() {
    this.clear();
  }

  clear() {
    this.run = null;
    this.nodes = new Map();
  }

  /** How many nodes have completed. */
  get done() {
    let count = 0;
    for (const node of this.nodes.values()) count += node.status === "COMPLETED";
    return count;
  }

  /** Applies an event. Returns the ids of the changed nodes, or null if all nodes may have changed. */
  apply({ method, data }) {
    if (method === "graph_execution_event") return this.#applyRun(data);
    if (method === "node_execution_event") return this.#applyNode(data);
    if (method === "node_execution_deleted") return this.#removeNode(data.node_exec_id);
    return [];
  }

  #applyRun(run) {
    const isNewAttempt = this.run?.status === "TERMINATED" && run.status === "QUEUED";
    this.run = run;
    if (!isNewAttempt) return [];
    this.nodes.clear();
    return null;
  }

  #applyNode(node) {
    const known = this.nodes.get(node.node_id);
    const isOlder =
      known && known.node_exec_id !== node.node_exec_id && Date.parse(known.add_time) > Date.parse(node.add_time);
    if (isOlder) return [];
    this.nodes.set(node.node_id, node);
    return [node.node_id];
  }

  #removeNode(nodeExecutionId) {
    for (const [id, node] of this.nodes) {
      if (node.node_exec_id === nodeExecutionId) {
        this.nodes.delete(id);
        return [id];
      }
    }
    return [];
  }
}
