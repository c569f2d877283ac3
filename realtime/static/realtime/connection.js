import { delayBeforeReconnect, isSignedOut } from "./reconnect.js";

/** Times are milliseconds. The server answers a heartbeat at once, whatever else waits to be sent. */
const HEARTBEAT_INTERVAL = 30_000;
const ANSWER_LIMIT = 10_000;
const CONNECT_LIMIT = 10_000;
/** A connection that lasted so long was a good one: after it, waiting begins anew. */
const STABLE_AFTER = 5_000;

/**
 * One WebSocket that comes back. Its states, told through `onState`:
 *
 *     {name: "connecting"}
 *     {name: "open"}
 *     {name: "waiting", retryAt}     milliseconds since 1970
 *     {name: "signed_out"}           until `open()` is called again, with other credentials
 *     {name: "closed"}               until `open()` is called again
 *
 * An open socket that says nothing is asked; one that does not answer is given up, since a network that has gone away
 * does not say so.
 */
export class Connection {
  #url;
  #onState;
  #onFrame;
  #socket = null;
  #timer = null;
  #answerTimer = null;
  #failures = 0;
  #openedAt = 0;

  constructor({ url, onState, onFrame }) {
    this.#url = url;
    this.#onState = onState;
    this.#onFrame = onFrame;
    this.state = { name: "closed" };
  }

  get isOpen() {
    return this.state.name === "open";
  }

  open() {
    if (this.#socket) return;
    clearTimeout(this.#timer);
    this.#become({ name: "connecting" });
    const socket = new WebSocket(this.#url);
    this.#socket = socket;
    this.#timer = setTimeout(() => this.#lost(), CONNECT_LIMIT);
    socket.onopen = () => this.#opened();
    socket.onmessage = (message) => this.#received(message);
    socket.onclose = (close) => this.#lost(close.code);
  }

  close() {
    this.#forgetSocket();
    this.#become({ name: "closed" });
  }

  send(message) {
    this.#socket.send(JSON.stringify(message));
  }

  /** Something has changed, such as the network or a tab that was asleep: come back now, or see whether it is still true. */
  wake() {
    if (this.state.name === "waiting") this.open();
    else if (this.isOpen) this.#beat();
  }

  /** Ends this connection and begins another, as if it had been lost. */
  restart() {
    this.#lost();
  }

  #opened() {
    this.#openedAt = Date.now();
    this.#scheduleHeartbeat();
    this.#become({ name: "open" });
  }

  #received(message) {
    clearTimeout(this.#answerTimer);
    this.#answerTimer = null;
    this.#scheduleHeartbeat();
    let frame;
    try {
      frame = JSON.parse(message.data);
    } catch {
      this.#lost(); // a frame was missed, and which one cannot be known
      return;
    }
    this.#onFrame(frame);
  }

  #scheduleHeartbeat() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#beat(), HEARTBEAT_INTERVAL);
  }

  #beat() {
    if (this.#answerTimer) return;
    this.send({ method: "heartbeat", data: "ping", success: true });
    this.#answerTimer = setTimeout(() => this.#lost(), ANSWER_LIMIT);
  }

  #lost(code = 1006) {
    const lasted = this.isOpen && Date.now() - this.#openedAt >= STABLE_AFTER;
    this.#forgetSocket();
    if (isSignedOut(code)) {
      this.#become({ name: "signed_out" });
      return;
    }
    if (lasted) this.#failures = 0;
    const delay = delayBeforeReconnect(code, this.#failures);
    this.#failures += 1;
    this.#timer = setTimeout(() => this.open(), delay);
    this.#become({ name: "waiting", retryAt: Date.now() + delay });
  }

  /** A socket that was given up may still speak for minutes: nobody listens any more. */
  #forgetSocket() {
    clearTimeout(this.#timer);
    clearTimeout(this.#answerTimer);
    this.#answerTimer = null;
    const socket = this.#socket;
    if (!socket) return;
    this.#socket = null;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
  }

  #become(state) {
    this.state = state;
    this.#onState(state);
  }
}
