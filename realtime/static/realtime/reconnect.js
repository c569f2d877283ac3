/**
 * The delay before a reconnect, by close code. Pure: no timers, no socket. realtime/wire/close_codes.py has the same
 * table.
 *
 *     4001 4002 4003    only with other credentials
 *     4013 (too slow)   at once
 *     1012 (restart)    after a random delay, so that not all clients reconnect at the same time
 *     any other         with back-off
 */

const SIGNED_OUT = new Set([4001, 4002, 4003]);
const TOO_SLOW = 4013;
const RESTART = 1012;

/** Times are milliseconds. */
const RESTART_SPREAD = 5_000;
const FIRST_DELAY = 1_000;
const MAX_DELAY = 15_000;

/** Whether a close with this code means that the server refuses the credentials. */
export function isSignedOut(code) {
  return SIGNED_OUT.has(code);
}

/**
 * The delay before the next attempt. `failures` is the number of consecutive connections that failed or did not last.
 * Back-off with full jitter: a random delay between zero and a limit that doubles with each failure, so that clients
 * that were disconnected together do not reconnect together.
 */
export function delayBeforeReconnect(code, failures, random = Math.random) {
  if (failures === 0 && code === TOO_SLOW) return 0;
  if (failures === 0 && code === RESTART) return random() * RESTART_SPREAD;
  return random() * Math.min(MAX_DELAY, FIRST_DELAY * 2 ** failures);
}
