import { Cursor } from "./cursor.js";

/** After this many gaps in a row without an applied event, the connection is replaced. */
const MAX_GAPS = 3;

/**
 * The subscription of one watch to one stream. It keeps the cursor and delivers every event once, in order. It lasts as
 * long as the watch, across any number of connections.
 */
export class Subscription {
  #handlers;
  #ask;
  #restart;
  #snapshot = null;
  #gaps = 0;

  /**
   * `ask(subscription)` sends the subscribe. `restart()` replaces a connection that keeps losing frames. `handlers` are
   * those of client.d.ts.
   */
  constructor({ method, target, handlers, ask, restart }) {
    this.method = method;
    this.target = target;
    this.cursor = new Cursor(handlers);
    this.state = "connecting";
    this.serverErrors = 0;
    this.#handlers = handlers;
    this.#ask = ask;
    this.#restart = restart;
  }

  get data() {
    return { ...this.target, ...this.cursor.request };
  }

  get isCatchingUp() {
    return this.state === "connecting" || this.state === "catching_up";
  }

  /** Delivers nothing more. */
  stop() {
    this.#handlers = {};
    this.cursor.wait();
  }

  lostConnection() {
    this.cursor.wait();
    this.#snapshot = null;
    this.#gaps = 0;
    if (this.state !== "refused") this.#setState("connecting");
  }

  /** The server's answer to a subscribe. The server also sends it without a request, when it restarts the stream. */
  answered(frame) {
    this.serverErrors = 0;
    const { truncated = false } = frame.data;
    const next = this.cursor.begin(frame.data);
    this.#snapshot = next === "events" ? null : { events: [], isTruncated: truncated };
    if (next === "complete") this.#takeSnapshot();
    this.#updateState();
  }

  refused(reason) {
    this.cursor.wait();
    this.#setState("refused");
    this.#call("onRefused", reason);
  }

  received(frame) {
    const event = {
      method: frame.method,
      data: frame.data,
      seq: frame.seq,
      channel: frame.channel,
      ...(frame.id !== undefined && { id: frame.id }),
      isReplay: frame.seq <= this.cursor.head,
    };
    switch (this.cursor.receive(frame.seq)) {
      case "apply":
        this.#gaps = 0;
        this.#call("onEvent", event);
        break;
      case "collect":
        this.#snapshot.events.push(event);
        break;
      case "complete":
        this.#snapshot.events.push(event);
        this.#takeSnapshot();
        break;
      case "gap":
        this.#resubscribe();
        return;
      default:
        return;
    }
    this.#updateState();
  }

  #takeSnapshot() {
    const snapshot = this.#snapshot;
    this.#snapshot = null;
    this.#gaps = 0;
    this.#call("onSnapshot", snapshot);
  }

  #resubscribe() {
    this.#snapshot = null;
    this.#gaps += 1;
    this.#setState("catching_up");
    if (this.#gaps < MAX_GAPS) this.#ask(this);
    else this.#restart();
  }

  #updateState() {
    this.#setState(this.cursor.isCaughtUp ? "live" : "catching_up");
  }

  #setState(state) {
    if (state === this.state) return;
    this.state = state;
    this.#call("onState", state);
  }

  /** Reports an error of a handler. It stops neither this stream nor others. */
  #call(name, value) {
    try {
      this.#handlers[name]?.(value);
    } catch (error) {
      if (globalThis.reportError) globalThis.reportError(error);
      else console.error(error);
    }
  }
}
