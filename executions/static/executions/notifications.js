/**
 * The bell: how many notifications are unread, and which; a toast for each new one. Where it stands in the stream is
 * kept for the tab, so that what comes while the person goes from page to page is told, too, and told once.
 */

import { Fragment } from "./fragment.js";
import { live } from "./live.js";
import { toast } from "./toasts.js";

const MOST_TOASTS = 3; // of those that came while nobody looked

const bell = document.getElementById("notifications");
const count = bell.querySelector(".bell-count");
const key = `runwire:notifications:${bell.dataset.user}`;
const url = `${bell.dataset.url}?next=${encodeURIComponent(location.pathname + location.search)}`;
const panel = new Fragment(bell.querySelector(".bell-panel"), url, { onReplaced: showCount });
const start = readPosition();
let missed = [];

const watch = live.watchNotifications({
  ...start,
  limit: 1, // in place of what is lost comes a look at the panel
  onEvent: (event) => {
    if (event.method === "notification") {
      if (event.isReplay) missed.push(event.data.event);
      else toast(event.data.event);
    }
    panel.refresh();
    keepPosition();
  },
  onSnapshot: () => panel.refresh(),
  onState: (state) => {
    if (state !== "live") return;
    tellMissed();
    if (!start) panel.refresh(); // something may have happened between the page and the subscription
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
  // What was clicked may be gone by now, replaced with the panel.
  if (event.target.isConnected && !bell.contains(event.target)) bell.open = false;
});

showCount();

function tellMissed() {
  if (missed.length > MOST_TOASTS) toast(`${missed.length} new notifications`);
  else missed.forEach(toast);
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
    // Storage may be forbidden or full: then it begins anew on the next page.
  }
}
