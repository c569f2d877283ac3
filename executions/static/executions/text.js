/** Formats labels, durations and values. executions/web/formatting.py gives the same texts on the server. Pure. */

export const ENDED = new Set(["COMPLETED", "FAILED", "TERMINATED"]);

const MAX_SHOWN = 2_000;

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
 * Inputs or outputs as `{name, text, hidden}`. `hidden` is the number of characters that are cut from `text`. With
 * `areLists`, a list with one value is shown as that value.
 */
export function values(data, { areLists = false } = {}) {
  return Object.entries(data ?? {}).map(([name, value]) => {
    const shown = areLists && Array.isArray(value) && value.length === 1 ? value[0] : value;
    const text = typeof shown === "string" ? shown : JSON.stringify(shown, null, 2);
    const characters = text.length > MAX_SHOWN ? Array.from(text) : null; // code points, as Python counts them
    if (!characters || characters.length <= MAX_SHOWN) return { name, text, hidden: 0 };
    return { name, text: characters.slice(0, MAX_SHOWN).join(""), hidden: characters.length - MAX_SHOWN };
  });
}

/** The time of an event, from its data; null if they have none. */
export function momentOf({ status, ...times }) {
  if (ENDED.has(status)) return times.ended_at ?? times.end_time ?? null;
  if (status === "RUNNING") return times.started_at ?? times.start_time ?? null;
  return times.queue_time ?? times.add_time ?? null;
}
