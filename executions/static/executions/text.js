/** Formats labels, durations and values. executions/web/formatting.py gives the same texts on the server. Pure. */

export const ENDED = new Set(["COMPLETED", "FAILED", "TERMINATED"]);

const MAX_SHOWN = 2_000;
const MAX_NAME = 200;
const MAX_VALUES = 100;

/** The text of a status badge. */
export function label(status) {
  return status ? status[0] + status.slice(1).toLowerCase() : "Waiting";
}

/** `85 ms`, `1.2 s`, `3 min 05 s`, `2 h 05 min`. */
export function duration(milliseconds) {
  const time = Math.max(0, milliseconds);
  if (time < 1_000) return `${Math.round(time)} ms`;
  const seconds = time / 1_000;
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  const two = (number) => String(Math.floor(number)).padStart(2, "0");
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min ${two(seconds % 60)} s`;
  return `${Math.floor(seconds / 3_600)} h ${two((seconds % 3_600) / 60)} min`;
}

/**
 * Inputs or outputs as `{name, text, more}`, at most MAX_VALUES, and a last one for the others. `more` says what is cut
 * from `text`; it is empty if nothing is. With `areLists`, a list with one value is shown as that value.
 */
export function values(data, { areLists = false } = {}) {
  const entries = Object.entries(data ?? {});
  const shown = entries.slice(0, MAX_VALUES).map(([name, value]) => ({
    name: cut(name, MAX_NAME),
    ...shownValue(areLists && Array.isArray(value) && value.length === 1 ? value[0] : value),
  }));
  const others = entries.length - shown.length;
  return others ? [...shown, { name: "…", text: "", more: `and ${others} more values` }] : shown;
}

function shownValue(value) {
  const whole = typeof value === "string" ? value : JSON.stringify(value, null, 2);
  const [text, hidden] = firstCharacters(whole, MAX_SHOWN);
  // The server does not count what it does not format.
  const more = typeof value === "string" ? `and ${hidden} more characters` : "and more";
  return { text, more: hidden ? more : "" };
}

function cut(text, length) {
  const [first, hidden] = firstCharacters(text, length);
  return hidden ? `${first}…` : text;
}

/** The first characters of a text, and how many follow. Characters are code points, as Python counts them. */
function firstCharacters(text, length) {
  const characters = text.length > length ? Array.from(text) : [];
  if (characters.length <= length) return [text, 0];
  return [characters.slice(0, length).join(""), characters.length - length];
}

/** The time of an event, from its data; null if they have none. */
export function momentOf({ status, ...times }) {
  if (ENDED.has(status)) return times.ended_at ?? times.end_time ?? null;
  if (status === "RUNNING") return times.started_at ?? times.start_time ?? null;
  return times.queue_time ?? times.add_time ?? null;
}
