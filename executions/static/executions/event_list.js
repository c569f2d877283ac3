/** The list of the events of a run, newest first. */

import { label, momentOf } from "./text.js";
import { newExactTime } from "./times.js";

const MAX_ITEMS = 500;
const MAX_DATA = 20_000; // characters of one event's data

export class EventList {
  #list;
  #note;
  #titleOf;
  #pending = [];
  #isServerRendered = true; // the list still holds the items that the server rendered from the rows
  #omitted = 0;

  /** `titleOf(nodeId)` returns the title of a node. */
  constructor({ list, note, titleOf }) {
    this.#list = list;
    this.#note = note;
    this.#titleOf = titleOf;
  }

  add(event) {
    this.#pending.push(event);
  }

  /** Replaces the list by these events, which are not the whole history. */
  reset(events) {
    this.#pending = [...events];
    this.#list.replaceChildren();
    this.#isServerRendered = false;
    this.#note.textContent = "Earlier events are no longer kept: these are the newest of each node.";
    this.#note.hidden = false;
  }

  flush() {
    if (!this.#pending.length) return;
    if (this.#isServerRendered) this.#list.replaceChildren();
    this.#isServerRendered = false;
    const newest = this.#pending.slice(-MAX_ITEMS);
    this.#omitted += this.#pending.length - newest.length;
    this.#pending = [];
    this.#list.prepend(...newest.reverse().map((event) => this.#item(event)));
    while (this.#list.childElementCount > MAX_ITEMS) {
      this.#list.lastElementChild.remove();
      this.#omitted += 1;
    }
    if (this.#omitted) {
      this.#note.textContent = `${this.#omitted} earlier events are not shown.`;
      this.#note.hidden = false;
    }
  }

  #item(event) {
    const item = document.createElement("li");
    item.dataset.status = event.data?.status ?? "";
    const details = document.createElement("details");
    const summary = document.createElement("summary");
    summary.className = "event-line";
    const number = document.createElement("span");
    number.className = "event-seq";
    number.textContent = event.seq;
    summary.append(number, this.#words(event));
    const moment = momentOf(event.data ?? {});
    if (moment) summary.append(newExactTime(moment));
    details.append(summary);
    details.addEventListener("toggle", () => showData(details, event), { once: true });
    item.append(details);
    return item;
  }

  #words({ method, data }) {
    const words = document.createElement("span");
    words.className = "event-what";
    const subject = document.createElement("bdi");
    subject.textContent = method === "node_execution_event" ? this.#titleOf(data.node_id) : "Run";
    const verb = method.endsWith("_deleted") ? "node deleted" : label(data.status).toLowerCase();
    words.append(subject, ` ${verb}`);
    return words;
  }
}

function showData(details, event) {
  const pre = document.createElement("pre");
  pre.tabIndex = 0;
  const text = JSON.stringify(event.data, null, 2);
  pre.textContent = text.length > MAX_DATA ? `${text.slice(0, MAX_DATA)}\n…` : text;
  details.append(pre);
}
