/** Times in the reader's zone, and durations that are updated while a run is unfinished. */

import { duration } from "./text.js";

/** Milliseconds that the server's clock is ahead, because the reader's clock may be wrong by minutes. */
const clockDifference = Date.parse(document.body.dataset.now) - Date.now() || 0;

export function showTime(element, moment) {
  const date = new Date(moment);
  const isToday = date.toDateString() === new Date().toDateString();
  const day = isToday ? {} : { day: "numeric", month: "short" };
  element.dateTime = moment;
  element.title = date.toLocaleString();
  element.textContent = date.toLocaleTimeString([], { ...day, hour: "2-digit", minute: "2-digit", second: "2-digit" });
}

export function newTime(moment) {
  const element = document.createElement("time");
  showTime(element, moment);
  return element;
}

/** With milliseconds, because a second may have many events. */
export function newExactTime(moment) {
  const element = newTime(moment);
  element.textContent = new Date(moment).toLocaleTimeString([], {
    hourCycle: "h23",
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
    fractionalSecondDigits: 3,
  });
  return element;
}

export function showDuration(element, start, end) {
  element.dataset.start = start ?? "";
  element.dataset.end = end ?? "";
  const until = end ? Date.parse(end) : Date.now() + clockDifference;
  element.textContent = start ? duration(until - Date.parse(start)) : "";
}

/** Converts the times that the server has rendered inside `root` to the reader's zone. */
export function localise(root) {
  for (const element of root.querySelectorAll("time")) showTime(element, element.dateTime);
}

setInterval(() => {
  if (document.hidden) return;
  for (const element of document.querySelectorAll(".duration:not([data-start=''])[data-end='']")) {
    showDuration(element, element.dataset.start, null);
  }
}, 1_000);

localise(document);
