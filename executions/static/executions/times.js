/** Times in the reader's own zone, and durations that go on while something runs. */

import { duration } from "./text.js";

/** The server's clock, since a reader's may be wrong by minutes. */
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

/** To the millisecond, since much can happen in a second. */
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

/** Makes what the server has rendered inside `root` the reader's. */
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
