/**
 * The list of runs. The server renders new rows, because it knows their order. Events update the rows: the events of
 * the graphs update the status, and the events of an unfinished run also update its progress.
 *
 * When a graph's subscription becomes live, the rows are fetched once: they hold the changes between the page load and
 * that time. A snapshot would hold them too, but with all inputs and outputs.
 */

import { Fragment } from "./fragment.js";
import { live } from "./live.js";
import { RunState } from "./run_state.js";
import { showProgress, showStatus } from "./status.js";
import { ENDED, label } from "./text.js";
import { newTime, showDuration } from "./times.js";

const runs = document.getElementById("runs");
const news = document.getElementById("runs-news");
const graphIds = JSON.parse(document.getElementById("graph-ids").textContent);
const rows = new Map(); // execution's id → its row
const watches = new Map(); // execution's id → the watch of a run that had not ended
const liveGraphs = new Set(); // ids of the graphs whose subscriptions are live
let sinceFetch = [];

const fragment = new Fragment(runs, runs.dataset.rowsUrl + location.search, {
  onStart: () => (sinceFetch = []),
  onReplaced: () => {
    findRows();
    sinceFetch.forEach(take);
  },
});

findRows();
for (const id of graphIds) {
  live.watchGraph(id, {
    replay: "none",
    limit: 1, // missed events are replaced by fetching the rows
    onEvent: (event) => {
      sinceFetch.push(event);
      take(event);
    },
    onSnapshot: () => fragment.refresh(),
    onState: (name) => {
      if (name !== "live" || liveGraphs.has(id)) return;
      liveGraphs.add(id);
      fragment.refresh();
    },
  });
}

function findRows() {
  rows.clear();
  for (const row of runs.querySelectorAll("[data-execution]")) rows.set(row.dataset.execution, row);
  for (const [id, watch] of watches) {
    if (!rows.has(id)) {
      watch.stop();
      watches.delete(id);
    }
  }
  for (const [id, row] of rows) if (!ENDED.has(row.dataset.status)) watchProgress(id);
}

function take({ method, data }) {
  if (method === "execution_deleted") {
    if (rows.has(data.graph_exec_id)) fragment.refresh();
  } else if (!rows.has(data.id)) {
    if (isFirstPage()) fragment.refresh();
  } else if (!watches.has(data.id)) {
    showRun(data);
    if (!ENDED.has(data.status)) watchProgress(data.id);
  }
}

/** New runs appear only on the first page. */
function isFirstPage() {
  return (runs.querySelector("[data-page]")?.dataset.page ?? "1") === "1";
}

/** Updates the row with the run's own events, until the row leaves the page. */
function watchProgress(id) {
  if (watches.has(id)) return;
  const state = new RunState();
  const show = () => {
    if (state.run) showRun(state.run);
    if (state.run) showCount(id, state);
  };
  const watch = live.watchExecution(id, {
    replay: "latest",
    limit: 10_000,
    onEvent: (event) => {
      state.apply(event);
      show();
    },
    onSnapshot: ({ events }) => {
      state.clear();
      events.forEach((event) => state.apply(event));
      show();
    },
    onRefused: () => fragment.refresh(),
  });
  watches.set(id, watch);
}

function showRun(run) {
  const row = rows.get(run.id);
  if (!row) return;
  if (row.dataset.status !== run.status && ENDED.has(run.status)) {
    news.textContent = `${row.querySelector("th a").textContent}: ${label(run.status).toLowerCase()}`;
  }
  row.dataset.status = run.status;
  showStatus(row.querySelector(".status"), run.status);
  row.querySelector("progress").dataset.status = run.status;
  row.querySelector(".cell-started").replaceChildren(...(run.started_at ? [newTime(run.started_at)] : []));
  showDuration(row.querySelector(".duration"), run.started_at, run.ended_at);
}

function showCount(id, state) {
  const row = rows.get(id);
  if (!row) return;
  const total = Math.max(Number(row.dataset.total), state.nodes.size);
  showProgress(row.querySelector("progress"), state.done, total, state.run.status);
  row.querySelector(".count").textContent = `${state.done} of ${total}`;
}
