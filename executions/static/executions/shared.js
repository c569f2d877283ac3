/** The page of a shared run. The server renders it; the socket of the link says when it changes, and when it ends. */

import "./connection_state.js";
import { Fragment } from "./fragment.js";
import { live, onConnectionState } from "./live.js";
import { showStatus } from "./status.js";
import { newTime, showDuration } from "./times.js";

const page = document.getElementById("shared-run");
const part = (id) => document.getElementById(id);
const results = new Fragment(part("results"), page.dataset.resultsUrl);

live.watchStream("shared", page.dataset.execution, {
  replay: "latest",
  onEvent: (event) => show(event.data),
  onSnapshot: ({ events }) => events.forEach((event) => show(event.data)),
  onRefused: end,
});

onConnectionState(({ name }) => {
  if (name === "signed_out") end();
});

function show(run) {
  showStatus(part("run-status").firstElementChild, run.status);
  showMoment(part("run-started"), run.started_at);
  showMoment(part("run-ended"), run.ended_at);
  showDuration(part("run-duration").firstElementChild, run.started_at, run.ended_at);
  results.refresh(); // the server renders reports, and cuts what is long
}

function showMoment(element, moment) {
  if (moment) element.replaceChildren(newTime(moment));
  else element.textContent = "not yet";
}

function end() {
  part("run-trouble").hidden = false;
}
