/**
 * When to come back after a close. Pure: no timers, no socket.
 *
 *     4001 4002 4003    not with the same credentials
 *     4013 (too slow)   at once
 *     1012 (restart)    after a random moment, so that not everyone comes back in the same one
 *     any other         later and later
 */

const SIGNED_OUT = new Set([4001, 4002, 4003]);
const TOO_SLOW = 4013;
const RESTART = 1012;

/** Times are milliseconds. */
const RESTART_SPREAD = 5_000;
const FIRST_DELAY = 1_000;
const LONGEST_DELAY = 15_000;

/** Whether a close with this code says that the credentials are no good. */
export function isSignedOut(code) {
  return SIGNED_OUT.has(code);
}

/**
 * How long to wait before the next attempt. `failures` is the number of connections in a row that failed or did not
 * last. Full jitter: anything between nothing and a ceiling that doubles with each failure, since clients that were
 * thrown off together must not knock together.
 */
export function delayBeforeReconnect(code, failures, random = Math.random) {
  if (failures === 0 && code === TOO_SLOW) return 0;
  if (failures === 0 && code === RESTART) return random() * RESTART_SPREAD;
  return random() * Math.min(LONGEST_DELAY, FIRST_DELAY * 2 ** failures);
}
