/**
 * The position of one subscription in its stream. It decides what to do with each frame. Pure: no timers, no socket.
 *
 *     waiting ──answer──► events      seq + 1, seq + 2, … up to head and on, live
 *        │                  │  ▲
 *        │                 gap  │ the frame whose number is head
 *        └──answer──► snapshot ─┘     rising numbers with gaps: the newest event of each entity
 *
 * A snapshot is applied as a whole. The cursor moves only with its last frame. If the connection is lost before, the
 * snapshot is requested again, and no partial state is left.
 */
export class Cursor {
  /**
   * `replay` says what to get first if `after` is null: "all", "latest" or "none". `limit` is the most entities of a
   * snapshot.
   */
  constructor({ after = null, epoch = null, replay = "all", limit = null } = {}) {
    this.seq = after;
    this.epoch = epoch;
    this.head = null;
    this.mode = "waiting";
    this.replay = replay;
    this.limit = limit;
    this.collected = 0;
  }

  /** The part of a subscribe request that says where to start. */
  get request() {
    const limit = this.limit && { limit: this.limit };
    if (this.seq !== null)
      return { after: this.seq, ...(this.epoch && { epoch: this.epoch }), replay: "all", ...limit };
    if (this.replay === "all") return { after: 0, replay: "all", ...limit };
    return { replay: this.replay, ...limit };
  }

  /** The position from which a later subscription can continue; null before the first answer. */
  get position() {
    return this.epoch === null || this.seq === null ? null : { after: this.seq, epoch: this.epoch };
  }

  get isCaughtUp() {
    return this.mode === "events" && this.seq >= this.head;
  }

  /** The connection is lost, or a new subscribe is sent: frames are dropped until the answer. */
  wait() {
    this.mode = "waiting";
  }

  /**
   * Takes the server's answer to a subscribe, or the same message without a request. Returns "snapshot" if frames must
   * be collected, "complete" if the snapshot is empty, else "events".
   */
  begin({ epoch, head, recovered }) {
    const isFirst = this.seq === null;
    this.head = head;
    if (!recovered || (isFirst && this.replay === "latest")) {
      this.nextEpoch = epoch;
      this.collected = 0;
      this.mode = "snapshot";
      return head === 0 ? this.#complete() : "snapshot";
    }
    this.epoch = epoch;
    if (isFirst) this.seq = this.replay === "none" ? head : 0;
    this.mode = "events";
    return "events";
  }

  /**
   * Says what to do with the frame that has this number. "apply": it is the next event. "collect": it is part of the
   * snapshot. "complete": it is the last part of the snapshot. "drop": it is known, or not of this subscription. "gap":
   * frames are missing, so subscribe again.
   */
  receive(seq) {
    if (this.mode === "waiting") return "drop";
    if (this.mode === "snapshot") return this.#collect(seq);
    if (seq <= this.seq) return "drop";
    if (seq > this.seq + 1) return this.#gap();
    this.seq = seq;
    return "apply";
  }

  #collect(seq) {
    if (seq <= this.collected) return "drop";
    if (seq > this.head) return this.#gap();
    this.collected = seq;
    return seq === this.head ? this.#complete() : "collect";
  }

  #complete() {
    this.seq = this.head;
    this.epoch = this.nextEpoch;
    this.mode = "events";
    return "complete";
  }

  #gap() {
    this.mode = "waiting";
    return "gap";
  }
}
