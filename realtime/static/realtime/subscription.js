import { Cursor } from "./cursor.js";

/** So many holes in a row, with nothing that could be applied between them, and the connection itself is doubted. */
const MOST_HOLES = 3;

/**
 * One stream that is watched: asks for it, keeps its cursor, and hands on every event in order, once. It lives as long
 * as the watch, across any number of connections.
 */
export class Subscription {
  #handlers;
  #ask;
  #doubt;
  #snapshot = null;
  #holes = 0;

  /**
   * `ask(subscription)` sends the subscribe; `doubt()` ends a connection that cannot be right; `handlers` are those of
   * client.d.ts.
   */
  constructor({ method, target, handlers, ask, doubt }) {
    this.method = method;
    this.target = target;
    this.cursor = new Cursor(handlers);
    this.state = "connecting";
    this.troubles = 0;
    this.#handlers = handlers;
    this.#ask = ask;
    this.#doubt = doubt;
  }

  get data() {
    return { ...this.target, ...this.cursor.request };
  }

  get isUnsettled() {
    return this.state === "connecting" || this.state === "catching_up";
  }

  /** Nothing more is handed on. */
  stop() {
    this.#handlers = {};
    this.cursor.wait();
  }

  lostConnection() {
    this.cursor.wait();
    this.#snapshot = null;
    this.#holes = 0;
    if (this.state !== "refused") this.#become("connecting");
  }

  /** The server's answer; without a request, too, when it had to begin again by itself. */
  answered(frame) {
    this.troubles = 0;
    const { truncated = false } = frame.data;
    const next = this.cursor.begin(frame.data);
    this.#snapshot = next === "events" ? null : { events: [], isTruncated: truncated };
    if (next === "complete") this.#takeSnapshot();
    this.#number_and_announce();
  }

  refused(reason) {
    this.cursor.wait();
    this.#become("refused");
    this.#call("onRefused", reason);
  }

  received(frame) {
    const event = {
      method: frame.method,
      data: frame.data,
      seq: frame.seq,
      channel: frame.channel,
      isReplay: frame.seq <= this.cursor.head,
    };
    switch (this.cursor.receive(frame.seq)) {
      case "apply":
        this.#holes = 0;
        this.#call("onEvent", event);
        break;
      case "collect":
        this.#snapshot.events.push(event);
        break;
      case "complete":
        this.#snapshot.events.push(event);
        this.#takeSnapshot();
        break;
      case "hole":
        this.#askAgain();
        return;
      default:
        return;
    }
    this.#number_and_announce();
  }

  #takeSnapshot() {
    const snapshot = this.#snapshot;
    this.#snapshot = null;
    this.#holes = 0;
    this.#call("onSnapshot", snapshot);
  }

  #askAgain() {
    this.#snapshot = null;
    this.#holes += 1;
    this.#become("catching_up");
    if (this.#holes < MOST_HOLES) this.#ask(this);
    else this.#doubt();
  }

  #number_and_announce() {
    this.#become(this.cursor.isCaughtUp ? "live" : "catching_up");
  }

  #become(state) {
    if (state === this.state) return;
    this.state = state;
    this.#call("onState", state);
  }

  /** A handler that throws is reported, and stops neither the stream nor the others. */
  #call(name, value) {
    try {
      this.#handlers[name]?.(value);
    } catch (error) {
      if (globalThis.reportError) globalThis.reportError(error);
      else console.error(error);
    }
  }
}
