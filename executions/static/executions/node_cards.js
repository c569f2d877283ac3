/**
 * The cards of the nodes of a run. A card opens to show inputs and outputs. Nodes on other pages of the run have no card
 * here; they are counted.
 */

import { showStatus } from "./status.js";
import { showDuration } from "./times.js";
import { values } from "./text.js";

export class NodeCards {
  #cards = new Map(); // node id → card
  #elsewhere = new Map(); // node id → { title, status }
  #shown = new Map(); // card → the event's data that it shows
  #stages;
  #template;
  #nodeUrl;

  /**
   * `nodeUrl` has the placeholder NODE for the id of a node execution. `elsewhere` has the title and the status of each
   * node on another page, by id.
   */
  constructor({ stages, template, nodeUrl, elsewhere }) {
    this.#stages = stages;
    this.#template = template;
    this.#nodeUrl = nodeUrl;
    for (const [id, [title, status]] of Object.entries(elsewhere)) this.#elsewhere.set(id, { title, status });
    for (const card of stages.querySelectorAll(".node")) this.#add(card.dataset.node, card);
  }

  get total() {
    return this.#cards.size + this.#elsewhere.size;
  }

  /** The number of completed nodes, including nodes without events and nodes on other pages. */
  get done() {
    const here = [...this.#cards.values()].map((card) => card.dataset.status);
    const elsewhere = [...this.#elsewhere.values()].map((node) => node.status);
    return [...here, ...elsewhere].filter((status) => status === "COMPLETED").length;
  }

  get ids() {
    return [...this.#cards.keys(), ...this.#elsewhere.keys()];
  }

  title(id) {
    return this.#cards.get(id)?.querySelector(".node-title").textContent ?? this.#elsewhere.get(id)?.title ?? id;
  }

  /** Shows a node with `data`, the data of its newest event. Without data the node has not run. */
  show(id, data) {
    const elsewhere = this.#elsewhere.get(id);
    if (elsewhere) {
      elsewhere.status = data?.status ?? "";
      return;
    }
    const card = this.#cards.get(id) ?? (data && this.#create(id, data));
    if (!card) return;
    this.#shown.set(card, data ?? {});
    card.dataset.status = data?.status ?? "";
    showStatus(card.querySelector(".status"), data?.status ?? "");
    showDuration(card.querySelector(".duration"), data?.start_time, data?.end_time);
    this.#showData(card);
  }

  #add(id, card) {
    this.#cards.set(id, card);
    card.querySelector("details").addEventListener("toggle", () => this.#showData(card));
  }

  /** Adds a card, in the last stage, for a node that is not in the graph. */
  #create(id, data) {
    const card = this.#template.content.querySelector(".node").cloneNode(true);
    card.dataset.node = id;
    card.querySelector(".node-title bdi").textContent = id;
    card.querySelector(".node-block bdi").textContent = data.block_id;
    let stage = this.#stages.querySelector(".stage.others");
    if (!stage) {
      stage = document.createElement("li");
      stage.className = "stage others";
      const nodes = document.createElement("ul");
      nodes.className = "nodes";
      stage.append(nodes);
      this.#stages.append(stage);
    }
    stage.firstElementChild.append(card);
    this.#add(id, card);
    return card;
  }

  /** Renders inputs and outputs only while the card is open. */
  #showData(card) {
    const data = this.#shown.get(card);
    if (!data || !card.querySelector("details").open) return;
    card.querySelector(".node-left-out")?.remove();
    fill(card.querySelector("[data-values=inputs]"), values(data.input_data));
    fill(card.querySelector("[data-values=outputs]"), values(data.output_data, { areLists: true }));
    const all = card.querySelector(".node-all");
    all.hidden = !data.node_exec_id;
    if (data.node_exec_id) all.href = this.#nodeUrl.replace("NODE", encodeURIComponent(data.node_exec_id));
  }
}

function fill(list, entries) {
  list.replaceChildren(
    ...entries.map(({ name, text, more }) => {
      const item = document.createElement("div");
      item.className = "value";
      const term = document.createElement("dt");
      const isolated = document.createElement("bdi");
      isolated.textContent = name;
      term.append(isolated);
      const description = document.createElement("dd");
      const pre = document.createElement("pre");
      pre.tabIndex = 0;
      pre.textContent = text;
      description.append(pre);
      if (more) {
        const hint = document.createElement("p");
        hint.className = "hint";
        hint.textContent = more;
        description.append(hint);
      }
      item.append(term, description);
      return item;
    }),
  );
}
