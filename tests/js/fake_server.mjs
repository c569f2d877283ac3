/**
 * A fake WebSocket with a fake server that follows docs/protocol.md: one log for each stream, subscribes with answers
 * and replays. Connections can be cut, and live frames lost, repeated or delayed.
 */
export class FakeServer {
  constructor() {
    this.streams = new Map();
    this.sockets = [];
    this.requests = [];
    this.isUp = true;
    this.answersHeartbeats = true;
    this.mangle = (frame) => [frame]; // returns the frames to send for one live frame
    const server = this;
    globalThis.WebSocket = class extends FakeSocket {
      constructor(url) {
        super(url, server);
      }
    };
  }

  get socket() {
    return this.sockets.at(-1);
  }

  /** Opens the socket. */
  accept() {
    this.socket.isOpen = true;
    this.socket.onopen?.();
  }

  stream(channel) {
    if (!this.streams.has(channel)) this.streams.set(channel, { epoch: "epoch-1", floor: 0, events: [] });
    return this.streams.get(channel);
  }

  publish(channel, method, entity, data) {
    const stream = this.stream(channel);
    const event = { seq: stream.events.length + 1, method, entity, data };
    stream.events.push(event);
    if (!this.socket?.watched.has(channel)) return;
    for (const frame of this.mangle(eventFrame(channel, event))) this.socket.deliver(frame);
  }

  prune(channel, floor) {
    this.stream(channel).floor = floor;
  }

  received(socket, request) {
    this.requests.push(request);
    if (request.method === "heartbeat") {
      if (this.answersHeartbeats) socket.deliver({ method: "heartbeat", data: "pong", success: true });
      return;
    }
    const channel = channelOf(request);
    if (request.method === "unsubscribe") {
      socket.watched.delete(channel);
      return;
    }
    const error = this.refuses?.(request);
    if (error) {
      socket.deliver({ method: "error", data: null, success: false, channel: null, error, id: request.id });
      return;
    }
    socket.watched.add(channel);
    this.answer(channel, request);
  }

  answer(channel, { method, data, id }) {
    const { epoch, floor, events } = this.stream(channel);
    const head = events.length;
    const known = data.after ?? (data.replay === "none" ? head : 0);
    const recovered = known <= head && known >= floor && (data.epoch ?? epoch) === epoch;
    const answer = { epoch, head, recovered: recovered || data.replay === "latest" };
    this.socket.deliver({ method, data: answer, success: true, channel, error: null, ...(id && { id }) });
    const replay = recovered && data.replay !== "latest" ? events.slice(known) : newestByEntity(events);
    for (const event of replay) this.socket.deliver(eventFrame(channel, event));
  }
}

class FakeSocket {
  constructor(url, server) {
    this.url = url;
    this.server = server;
    this.isOpen = false;
    this.watched = new Set();
    server.sockets.push(this);
  }

  send(text) {
    if (!this.isOpen) throw new Error("The socket is not open.");
    this.server.received(this, JSON.parse(text));
  }

  deliver(frame) {
    this.onmessage?.({ data: JSON.stringify(frame) });
  }

  /** Closes the socket from the other side. */
  drop(code = 1006) {
    this.isOpen = false;
    this.onclose?.({ code });
  }

  close() {
    this.isOpen = false;
    this.watched.clear();
  }
}

function channelOf({ method, data }) {
  if (method === "subscribe_notifications" || data.notifications) return "u|notifications";
  return data.graph_id ? `u|graph#${data.graph_id}|executions` : `u|graph_exec#${data.graph_exec_id}`;
}

function eventFrame(channel, { seq, method, entity, data }) {
  const named = channel.endsWith("|notifications") ? null : channel;
  const id = method === "notification" && { id: entity };
  return { method, data, success: null, channel: named, error: null, seq, ...id };
}

function newestByEntity(events) {
  const newest = new Map(events.map((event) => [event.entity, event]));
  return [...newest.values()].sort((one, other) => one.seq - other.seq);
}
