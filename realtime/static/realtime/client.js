import { Connection } from "./connection.js";
import { delayBeforeReconnect } from "./reconnect.js";
import { Subscription } from "./subscription.js";

const NOTIFICATIONS = "subscribe_notifications";
const NOT_FOUND = new Set(["Graph execution not found", "Graph not found"]);
const INTERNAL_ERROR = "Internal error";

/**
 * Watches executions, graphs and notifications over one WebSocket. client.d.ts says what is promised.
 *
 *     const live = new RunwireClient({ onState: (state) => console.log(state.name) });
 *     const watch = live.watchExecution(id, { onEvent: (event) => console.log(event.seq, event.data.status) });
 *     watch.stop();
 */
export class RunwireClient {
  #connection;
  #onState;
  #subscriptions = new Map(); // what is watched, as text → subscription
  #asked = new Map(); // id of a request without an answer → subscription
  #byChannel = new Map(); // what an event's frame says → subscription
  #lastId = 0;
  #told = "";

  constructor({ url = defaultUrl(), onState = () => {} } = {}) {
    this.#onState = onState;
    this.#connection = new Connection({
      url,
      onState: (state) => this.#connectionBecame(state),
      onFrame: (frame) => this.#received(frame),
    });
    this.#listenToBrowser();
    // Later, so that whoever makes a client can still keep it and watch something before the first state is told.
    queueMicrotask(() => this.open());
  }

  get state() {
    const state = this.#connection.state;
    if (state.name !== "open") return state;
    const isBehind = [...this.#subscriptions.values()].some((each) => each.isUnsettled);
    return { name: isBehind ? "catching_up" : "live" };
  }

  open() {
    this.#connection.open();
  }

  close() {
    this.#connection.close();
  }

  watchExecution(id, handlers = {}) {
    return this.#watch("subscribe_graph_execution", { graph_exec_id: id }, handlers);
  }

  watchGraph(id, handlers = {}) {
    return this.#watch("subscribe_graph_executions", { graph_id: id }, { replay: "latest", ...handlers });
  }

  watchNotifications(handlers = {}) {
    return this.#watch(NOTIFICATIONS, {}, { replay: "none", ...handlers });
  }

  #watch(method, target, handlers) {
    const key = JSON.stringify([method, target]);
    if (this.#subscriptions.has(key)) throw new Error(`This client already watches ${key}. Stop that watch first.`);
    const subscription = new Subscription({
      method,
      target,
      handlers: { ...handlers, onState: (state) => this.#subscriptionBecame(state, handlers) },
      ask: (each) => this.#ask(each),
      doubt: () => this.#connection.restart(),
    });
    this.#subscriptions.set(key, subscription);
    if (this.#connection.isOpen) {
      this.#ask(subscription);
      this.#tell();
    }
    return {
      get position() {
        return subscription.cursor.position;
      },
      stop: () => this.#stop(key, subscription),
    };
  }

  #stop(key, subscription) {
    if (this.#subscriptions.get(key) !== subscription) return;
    this.#subscriptions.delete(key);
    for (const [channel, each] of this.#byChannel) if (each === subscription) this.#byChannel.delete(channel);
    subscription.stop();
    // Notifications have no unsubscribe: their frames come to every socket, and are then nobody's.
    if (this.#connection.isOpen && subscription.method !== NOTIFICATIONS) {
      this.#connection.send({ method: "unsubscribe", data: subscription.target });
    }
    this.#tell();
  }

  #ask(subscription) {
    const id = String((this.#lastId += 1));
    for (const [older, asked] of this.#asked) if (asked === subscription) this.#asked.delete(older);
    this.#asked.set(id, subscription);
    this.#connection.send({ method: subscription.method, data: subscription.data, id });
  }

  #received(frame) {
    const asked = this.#asked.get(frame.id);
    this.#asked.delete(frame.id);
    if (frame.method === "error") this.#gotError(frame.error, asked);
    else if (asked) this.#gotAnswer(frame, asked);
    else if (frame.seq !== undefined) this.#byChannel.get(frame.channel)?.received(frame);
    else if (frame.id === undefined && frame.method.startsWith("subscribe_")) {
      this.#byChannel.get(frame.channel)?.answered(frame); // the server had to begin again by itself
    }
  }

  #gotAnswer(frame, subscription) {
    this.#byChannel.set(frame.channel, subscription);
    // The base protocol has no channel in the frames of notifications.
    if (subscription.method === NOTIFICATIONS) this.#byChannel.set(null, subscription);
    subscription.answered(frame);
  }

  #gotError(reason, asked) {
    if (asked && reason === INTERNAL_ERROR) this.#askLater(asked);
    else if (asked) asked.refused(reason);
    else if (NOT_FOUND.has(reason)) this.#askForAll();
  }

  /** The server has a trouble of its own, which may pass. */
  #askLater(subscription) {
    const stillWanted = () => this.#connection.isOpen && [...this.#subscriptions.values()].includes(subscription);
    setTimeout(() => stillWanted() && this.#ask(subscription), delayBeforeReconnect(0, (subscription.troubles += 1)));
  }

  /** One of them is gone, and an error that nobody asked for does not say which: its own refusal will. */
  #askForAll() {
    for (const each of this.#subscriptions.values()) if (each.state !== "refused") this.#ask(each);
  }

  #connectionBecame(state) {
    this.#asked.clear();
    this.#byChannel.clear();
    for (const each of [...this.#subscriptions.values()]) {
      if (state.name === "open") this.#ask(each);
      else each.lostConnection();
    }
    this.#tell();
  }

  #subscriptionBecame(state, handlers) {
    this.#tell();
    handlers.onState?.(state);
  }

  /** Tells the state where it has changed. */
  #tell() {
    const state = this.state;
    const text = JSON.stringify(state);
    if (text === this.#told) return;
    this.#told = text;
    this.#onState(state);
  }

  #listenToBrowser() {
    if (!globalThis.document) return;
    const wake = () => this.#connection.wake();
    addEventListener("online", wake);
    addEventListener("offline", wake); // asks the server instead of believing it: a local one is still there
    document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && wake());
    // A page with an open socket is not kept for the Back button.
    let isSuspended = false;
    addEventListener("pagehide", () => {
      isSuspended = this.state.name !== "closed";
      this.close();
    });
    addEventListener("pageshow", () => isSuspended && this.open());
  }
}

function defaultUrl() {
  const url = new URL("/ws", location.href);
  url.protocol = url.protocol.replace("http", "ws");
  return url.href;
}
