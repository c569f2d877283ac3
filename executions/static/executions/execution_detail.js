/**
 * The page of one run. The server renders it from the database. The events of the run, from the first one on, give a
 * state that is at least as new. The page shows this state when the history is complete.
 */

import { EventList } from "./event_list.js";
import { Fragment } from "./fragment.js";
import { live } from "./live.js";
import { NodeCards } from "./node_cards.js";
import { RunState } from "./run_state.js";
import { showProgress, showStatus } from "./status.js";
import { ENDED } from "./text.js";
import { newTime, showDuration } from "./times.js";

const page = document.getElementById("run");
const part = (id) => document.getElementById(id);
const badge = part("run-status").firstElementChild;
const cards = new NodeCards({
  stages: part("stages"),
  template: part("new-node"),
  nodeUrl: page.dataset.nodeUrl,
  elsewhere: JSON.parse(part("nodes-elsewhere").textContent),
});
const events = new EventList({ list: part("events"), note: part("events-note"), titleOf: (id) => cards.title(id) });
const results = new Fragment(part("results"), page.dataset.resultsUrl);
const state = new RunState();

let changedNodes = new Set();
let isEverythingChanged = false;
let isRunChanged = false;
let isFrameWanted = false;
let isFirstTime = true;

live.watchExecution(page.dataset.execution, {
  replay: "all",
  limit: 10_000,
  onEvent: (event) => {
    take(event);
    events.add(event);
    if (!event.isReplay) showSoon();
  },
  onSnapshot: (snapshot) => {
    state.clear();
    isEverythingChanged = true;
    snapshot.events.forEach(take);
    events.reset(snapshot.events);
  },
  onState: (name) => {
    if (name === "live") showSoon();
  },
  onRefused: () => {
    part("run-trouble").textContent = "This run is no longer there. It may have been deleted.";
    part("run-trouble").hidden = false;
  },
});

part("terminate")?.addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = event.target;
  const button = form.querySelector("button");
  button.disabled = true;
  try {
    await fetch(form.action, { method: "POST", body: new FormData(form), redirect: "manual" });
  } catch {
    form.submit();
  }
  button.disabled = false;
});

function take(event) {
  const changed = state.apply(event);
  if (changed === null) isEverythingChanged = true;
  else changed.forEach((id) => changedNodes.add(id));
  if (event.method === "graph_execution_event") isRunChanged = true;
}

/** Shows all events of one animation frame together. */
function showSoon() {
  if (isFrameWanted) return;
  isFrameWanted = true;
  requestAnimationFrame(show);
}

function show() {
  isFrameWanted = false;
  if (state.run === null && state.nodes.size === 0) return; // the log has no events of this run
  for (const id of isEverythingChanged ? [...cards.ids, ...state.nodes.keys()] : changedNodes) {
    cards.show(id, state.nodes.get(id));
  }
  if (isRunChanged && state.run) showRun(state.run);
  const status = state.run?.status ?? badge.dataset.status;
  showProgress(part("run-progress"), cards.done, cards.total, status);
  part("run-count").textContent = `${cards.done} of ${cards.total}`;
  events.flush();
  changedNodes = new Set();
  isEverythingChanged = isRunChanged = false;
}

function showRun(run) {
  const before = badge.dataset.status;
  const hasEnded = ENDED.has(run.status);
  showStatus(badge, run.status);
  if (run.started_at) part("run-started").replaceChildren(newTime(run.started_at));
  else part("run-started").textContent = "not yet";
  showDuration(part("run-duration").firstElementChild, run.started_at, run.ended_at);
  part("run-error").hidden = !run.stats?.error;
  part("run-error").querySelector("p").textContent = run.stats?.error ?? "";
  if (part("terminate")) part("terminate").hidden = hasEnded;
  const isRendered = isFirstTime && run.status === before; // the server has rendered the results with the page
  isFirstTime = false;
  if (!isRendered) results.refresh();
}
