/** Shows the state of the connection in the masthead. */

import { live, onConnectionState } from "./live.js";

const WORDS = {
  connecting: "Connecting",
  catching_up: "Catching up",
  live: "Live",
  waiting: "Offline",
  signed_out: "Signed out",
  closed: "Closed",
};

const badge = document.getElementById("connection");
const text = badge.querySelector(".connection-text");
const countdown = badge.querySelector(".connection-countdown");
const retry = document.getElementById("retry");
let retryAt = null;

onConnectionState((state) => {
  badge.hidden = false;
  badge.dataset.state = state.name;
  if (state.name === "signed_out" && badge.dataset.signedOut) text.textContent = badge.dataset.signedOut;
  else if (state.name === "signed_out") text.replaceChildren("Signed out. ", signInLink());
  else text.textContent = WORDS[state.name];
  retryAt = state.retryAt ?? null;
  retry.hidden = retryAt === null;
  count();
});

retry.addEventListener("click", () => live.open());
setInterval(count, 500);

function count() {
  const seconds = Math.ceil((retryAt - Date.now()) / 1_000);
  const words = retryAt === null ? "" : seconds > 0 ? `, retrying in ${seconds} s` : ", retrying";
  if (countdown.textContent !== words) countdown.textContent = words;
}

function signInLink() {
  const link = document.createElement("a");
  link.href = badge.dataset.loginUrl;
  link.textContent = "Sign in again";
  return link;
}
