/**
 * The bell: the number of unread notifications, their list, and a toast for each new one. The position in the stream is
 * stored for the tab, so that a notification during a page load is shown once.
 */

import { Fragment } from "./fragment.js";
import { live } from "./live.js";
import { toast } from "./toasts.js";

const MAX_TOASTS = 3; // for notifications during a page load

const bell = document.getElementById("notifications");
const count = bell.querySelector(".bell-count");
const key = `runwire:notifications:${bell.dataset.user}`;
const url = `${bell.dataset.url}?next=${encodeURIComponent(location.pathname + location.search)}`;
const panel = new Fragment(bell.querySelector(".bell-panel"), url, { onReplaced: showCount });
const start = readPosition();
const shown = new Map(); // id of a notification → takes its toast away
let missed = [];

const watch = live.watchNotifications({
  ...start,
  limit: 1, // missed notifications are replaced by fetching the panel
  onEvent: (event) => {
    if (event.method === "notification") {
      if (event.isReplay) missed.push(event);
      else show(event);
    } else if (event.method === "notification_deleted" || event.data.read) forget(event.data.ids);
    panel.refresh();
    keepPosition();
  },
  onSnapshot: () => panel.refresh(),
  onState: (state) => {
    if (state !== "live") return;
    showMissed();
    if (!start) panel.refresh(); // there may be changes between the page load and the subscription
    keepPosition();
  },
});

bell.addEventListener("submit", async (event) => {
  event.preventDefault();
  const { target: form, submitter } = event;
  try {
    await fetch(form.action, { method: "POST", body: new FormData(form, submitter), redirect: "manual" });
  } finally {
    panel.refresh();
  }
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || !bell.open) return;
  bell.open = false;
  bell.querySelector("summary").focus();
});

document.addEventListener("click", (event) => {
  // The clicked element may have been removed with the old panel.
  if (event.target.isConnected && !bell.contains(event.target)) bell.open = false;
});

showCount();

function show({ id, data }) {
  shown.set(id, toast(data.event));
}

/** What was read or deleted, here or elsewhere, is not new any more. */
function forget(ids) {
  missed = missed.filter((event) => !ids.includes(event.id));
  for (const id of ids) {
    shown.get(id)?.();
    shown.delete(id);
  }
}

function showMissed() {
  if (missed.length > MAX_TOASTS) toast(`${missed.length} new notifications`);
  else missed.forEach(show);
  missed = [];
}

function showCount() {
  const unread = Number(bell.querySelector("[data-unread]")?.dataset.unread ?? 0);
  count.hidden = unread === 0;
  count.textContent = unread > 99 ? "99+" : unread;
  bell.querySelector("summary").ariaLabel = unread ? `Notifications, ${unread} unread` : "Notifications";
}

function readPosition() {
  try {
    return JSON.parse(sessionStorage.getItem(key));
  } catch {
    return null;
  }
}

function keepPosition() {
  if (!watch?.position) return;
  try {
    sessionStorage.setItem(key, JSON.stringify(watch.position));
  } catch {
    // Storage may be forbidden or full. Then the next page starts without a position.
  }
}
