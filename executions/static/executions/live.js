/** The one connection of the page, shared by its modules. */

import { RunwireClient } from "../realtime/client.js";

const listeners = new Set();

export const live = new RunwireClient({
  share: document.body.dataset.share, // on the page of a shared run
  onState: (state) => {
    for (const listener of listeners) listener(state);
  },
});

/** Calls `listener` with the present state, and again with each change. */
export function onConnectionState(listener) {
  listeners.add(listener);
  listener(live.state);
}

/** Resolves when the page is live; at once if it already is. */
export function whenLive() {
  return new Promise((resolve) => {
    onConnectionState(function listener(state) {
      if (state.name !== "live") return;
      listeners.delete(listener);
      resolve();
    });
  });
}
