import { Connection } from "./connection.js";
import { delayBeforeReconnect } from "./reconnect.js";
import { Subscription } from "./subscription.js";

const NOTIFICATIONS = "subscribe_notifications";
const INTERNAL_ERROR = "Internal error";
const ACCESS_REVOKED = /access was revoked$/;

/**
 * Watches executions, graphs and notifications over one WebSocket. client.d.ts documents the API and its guarantees.
 *
 *     const live = new RunwireClient({ onState: (state) => console.log(state.name) });
 *     const watch = live.watchExecution(id, { onEvent: (event) => console.log(event.seq, event.data.status) });
 *     watch.stop();
 */
export class RunwireClient {
  #connection;
  #onState;
  #subscriptions = new Map(); // method and target as JSON → subscription
  #pending = new Map(); // id of an unanswered request → subscription
  #byChannel = new Map(); // channel of an event's frame → subscription
  #lastId = 0;
  #lastState = "";

  constructor({ url = defaultUrl(), share, onState = () => {} } = {}) {
    this.#onState = onState;
    this.#connection = new Connection({
      url: share === undefined ? url : withShare(url, share),
      onState: (state) => this.#onConnectionState(state),
      onFrame: (frame) => this.#onFrame(frame),
    });
    this.#listenToBrowser();
    // In a microtask, so that the caller can store the client and start watches before the first state.
    queueMicrotask(() => this.open());
  }

  get state() {
    const state = this.#connection.state;
    if (state.name !== "open") return state;
    const isBehind = [...this.#subscriptions.values()].some((each) => each.isCatchingUp);
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

  watchStream(kind, id, handlers = {}) {
    return this.#watch("subscribe_stream", { kind, id }, handlers);
  }

  #watch(method, target, handlers) {
    const key = JSON.stringify([method, target]);
    if (this.#subscriptions.has(key)) throw new Error(`This client already watches ${key}. Stop that watch first.`);
    const subscription = new Subscription({
      method,
      target,
      handlers: { ...handlers, onState: (state) => this.#onSubscriptionState(state, handlers) },
      ask: (each) => this.#subscribe(each),
      restart: () => this.#connection.restart(),
    });
    this.#subscriptions.set(key, subscription);
    if (this.#connection.isOpen) {
      this.#subscribe(subscription);
      this.#notifyState();
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
    if (this.#connection.isOpen) {
      const data = subscription.method === NOTIFICATIONS ? { notifications: true } : subscription.target;
      this.#connection.send({ method: "unsubscribe", data });
    }
    this.#notifyState();
  }

  #subscribe(subscription) {
    const id = String((this.#lastId += 1));
    for (const [older, asked] of this.#pending) if (asked === subscription) this.#pending.delete(older);
    this.#pending.set(id, subscription);
    this.#connection.send({ method: subscription.method, data: subscription.data, id });
  }

  #onFrame(frame) {
    if (frame.seq !== undefined) {
      this.#byChannel.get(frame.channel)?.received(frame); // an event: an `id` is a notification's, not a request's
      return;
    }
    const asked = this.#pending.get(frame.id);
    this.#pending.delete(frame.id);
    if (frame.method === "error") this.#onError(frame, asked);
    else if (asked) this.#onAnswer(frame, asked);
    else if (frame.id === undefined && frame.method.startsWith("subscribe_")) {
      this.#byChannel.get(frame.channel)?.answered(frame); // the server restarted the stream without a request
    }
  }

  #onAnswer(frame, subscription) {
    this.#byChannel.set(frame.channel, subscription);
    // In the base protocol the frames of notifications have no channel.
    if (subscription.method === NOTIFICATIONS) this.#byChannel.set(null, subscription);
    subscription.answered(frame);
  }

  #onError({ error, channel }, asked) {
    // An error without a request is the end of a stream or of access. After the end of a stream, the answer to a new
    // request says whether it is there again.
    const ended = channel === null ? undefined : this.#byChannel.get(channel);
    if (asked && error === INTERNAL_ERROR) this.#retryLater(asked);
    else if (asked) asked.refused(error);
    else if (ended && ACCESS_REVOKED.test(error)) ended.refused(error);
    else if (ended) this.#subscribe(ended);
  }

  /** The server has an internal error, which may be temporary. */
  #retryLater(subscription) {
    const isStillWatched = () => this.#connection.isOpen && [...this.#subscriptions.values()].includes(subscription);
    const delay = delayBeforeReconnect(0, (subscription.serverErrors += 1));
    setTimeout(() => isStillWatched() && this.#subscribe(subscription), delay);
  }

  #onConnectionState(state) {
    this.#pending.clear();
    this.#byChannel.clear();
    for (const each of [...this.#subscriptions.values()]) {
      if (state.name === "open") this.#subscribe(each);
      else each.lostConnection();
    }
    this.#notifyState();
  }

  #onSubscriptionState(state, handlers) {
    this.#notifyState();
    handlers.onState?.(state);
  }

  /** Calls `onState` if the state has changed. */
  #notifyState() {
    const state = this.state;
    const text = JSON.stringify(state);
    if (text === this.#lastState) return;
    this.#lastState = text;
    this.#onState(state);
  }

  #listenToBrowser() {
    if (!globalThis.document) return;
    const wake = () => this.#connection.wake();
    addEventListener("online", wake);
    addEventListener("offline", wake); // only checks the connection: a server on this machine is still reachable
    document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && wake());
    // Browsers do not keep a page with an open socket in the back/forward cache.
    let isSuspended = false;
    addEventListener("pagehide", () => {
      isSuspended = this.state.name !== "closed";
      this.close();
    });
    addEventListener("pageshow", () => isSuspended && this.open());
  }
}

function withShare(url, token) {
  const shared = new URL(url, globalThis.location?.href);
  shared.searchParams.set("share", token);
  return shared.href;
}

function defaultUrl() {
  const url = new URL("/ws", location.href);
  url.protocol = url.protocol.replace("http", "ws");
  return url.href;
}
