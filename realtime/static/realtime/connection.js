import { delayBeforeReconnect, isSignedOut } from "./reconnect.js";

/** Times are milliseconds. The server answers a heartbeat at once, before other frames that wait to be sent. */
const HEARTBEAT_INTERVAL = 30_000;
const HEARTBEAT_TIMEOUT = 10_000;
const CONNECT_TIMEOUT = 10_000;
/** After a connection that lasted this long, the back-off starts again. */
const STABLE_AFTER = 5_000;

/**
 * One WebSocket that reconnects. Its states, which `onState` receives:
 *
 *     {name: "connecting"}
 *     {name: "open"}
 *     {name: "waiting", retryAt}     milliseconds since 1970
 *     {name: "signed_out"}           until `open()` is called again, with other credentials
 *     {name: "closed"}               until `open()` is called again
 *
 * It asks the server for the reason of a refusal. Without the reason, refused credentials would look like a lost
 * connection. A query asks on any server; a subprotocol that a server does not select would fail the connection.
 *
 * A silent open socket gets a heartbeat. If there is no answer, the connection is closed, because a lost network gives
 * no other sign.
 */
export class Connection {
  #url;
  #onState;
  #onFrame;
  #socket = null;
  #timer = null;
  #heartbeatTimer = null;
  #stableTimer = null; // not a comparison of times: the computer's clock may be set
  #isStable = false; // this connection has lasted
  #failures = 0;

  constructor({ url, onState, onFrame }) {
    this.#url = askForReason(url);
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
    this.#setState({ name: "connecting" });
    const socket = new WebSocket(this.#url);
    this.#socket = socket;
    this.#timer = setTimeout(() => this.#onLost(), CONNECT_TIMEOUT);
    socket.onopen = () => this.#onOpen();
    socket.onmessage = (message) => this.#onMessage(message);
    socket.onclose = (close) => this.#onLost(close.code);
  }

  close() {
    this.#dropSocket();
    this.#setState({ name: "closed" });
  }

  send(message) {
    this.#socket.send(JSON.stringify(message));
  }

  /** The network or the visibility of the page has changed: reconnect now, or check the open connection. */
  wake() {
    if (this.state.name === "waiting") this.open();
    else if (this.isOpen) this.#sendHeartbeat();
  }

  /** Closes this connection and reconnects, as if it had been lost. */
  restart() {
    this.#onLost();
  }

  #onOpen() {
    this.#stableTimer = setTimeout(() => this.#onStable(), STABLE_AFTER);
    this.#scheduleHeartbeat();
    this.#setState({ name: "open" });
  }

  #onStable() {
    this.#failures = 0;
    this.#isStable = true;
  }

  #onMessage(message) {
    clearTimeout(this.#heartbeatTimer);
    this.#heartbeatTimer = null;
    this.#scheduleHeartbeat();
    let frame;
    try {
      frame = JSON.parse(message.data);
    } catch {
      this.#onLost(); // a frame is lost, and it is unknown which one
      return;
    }
    this.#onFrame(frame);
  }

  #scheduleHeartbeat() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#sendHeartbeat(), HEARTBEAT_INTERVAL);
  }

  #sendHeartbeat() {
    if (this.#heartbeatTimer) return;
    this.send({ method: "heartbeat", data: "ping", success: true });
    this.#heartbeatTimer = setTimeout(() => this.#onLost(), HEARTBEAT_TIMEOUT);
  }

  #onLost(code = 1006) {
    // The credentials of an open connection have ended. The browser may have others by now, as after a new password.
    const mayRenew = this.#isStable;
    this.#dropSocket();
    if (isSignedOut(code) && mayRenew) {
      this.open();
      return;
    }
    if (isSignedOut(code)) {
      this.#setState({ name: "signed_out" });
      return;
    }
    const delay = delayBeforeReconnect(code, this.#failures);
    this.#failures += 1;
    this.#timer = setTimeout(() => this.open(), delay);
    this.#setState({ name: "waiting", retryAt: Date.now() + delay });
  }

  /** Removes the handlers too, because an abandoned socket may deliver messages for minutes. */
  #dropSocket() {
    clearTimeout(this.#timer);
    clearTimeout(this.#heartbeatTimer);
    clearTimeout(this.#stableTimer);
    this.#isStable = false;
    this.#heartbeatTimer = null;
    const socket = this.#socket;
    if (!socket) return;
    this.#socket = null;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
  }

  #setState(state) {
    this.state = state;
    this.#onState(state);
  }
}

function askForReason(url) {
  const asking = new URL(url, globalThis.location?.href);
  asking.searchParams.set("refusal", "frame");
  return asking.href;
}
