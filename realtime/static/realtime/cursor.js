/**
 * Where one subscription stands in its stream, and what each frame means for it. Pure: no timers, no socket.
 *
 *     waiting ──answer──► events      seq + 1, seq + 2, … up to head and on, live
 *        │                  │  ▲
 *        │                hole  │ the frame whose number is head
 *        └──answer──► snapshot ─┘     rising numbers with holes: the newest event of each entity
 *
 * A snapshot is taken as a whole or not at all: until its last frame the cursor stays where it was, so that a connection
 * lost in the middle of it costs a repetition and never leaves half a state.
 */
export class Cursor {
  /**
   * `replay` is what to get first where there is no number to go on from: "all", "latest" or "none"; `limit` is how many
   * entities a snapshot may have.
   */
  constructor({ after = null, epoch = null, replay = "all", limit = null } = {}) {
    this.seq = after;
    this.epoch = epoch;
    this.head = null;
    this.mode = "waiting";
    this.wanted = replay;
    this.limit = limit;
    this.collected = 0;
  }

  /** What a subscribe says about the stream: where to go on, or what to begin with. */
  get request() {
    const limit = this.limit && { limit: this.limit };
    if (this.seq !== null)
      return { after: this.seq, ...(this.epoch && { epoch: this.epoch }), replay: "all", ...limit };
    if (this.wanted === "all") return { after: 0, replay: "all", ...limit };
    return { replay: this.wanted, ...limit };
  }

  /** Where a later subscription may go on; null before the first answer. */
  get position() {
    return this.epoch === null || this.seq === null ? null : { after: this.seq, epoch: this.epoch };
  }

  get isCaughtUp() {
    return this.mode === "events" && this.seq >= this.head;
  }

  /** The connection is gone, or the stream was asked for again: nothing counts until the answer. */
  wait() {
    this.mode = "waiting";
  }

  /**
   * The server's answer to a subscribe, or the same unasked. Returns "snapshot" where frames are to be collected,
   * "complete" where the snapshot is an empty one, else "events".
   */
  begin({ epoch, head, recovered }) {
    const isFirst = this.seq === null;
    this.head = head;
    if (!recovered || (isFirst && this.wanted === "latest")) {
      this.nextEpoch = epoch;
      this.collected = 0;
      this.mode = "snapshot";
      return head === 0 ? this.#complete() : "snapshot";
    }
    this.epoch = epoch;
    if (isFirst) this.seq = this.wanted === "none" ? head : 0;
    this.mode = "events";
    return "events";
  }

  /**
   * What to do with the frame that has this number: "apply" it, "collect" it for the snapshot, collect it and take the
   * snapshot, which is "complete"; "drop" it, since it is known or none of this subscription's; or "hole": frames
   * are missing, ask again.
   */
  receive(seq) {
    if (this.mode === "waiting") return "drop";
    if (this.mode === "snapshot") return this.#collect(seq);
    if (seq <= this.seq) return "drop";
    if (seq > this.seq + 1) return this.#hole();
    this.seq = seq;
    return "apply";
  }

  #collect(seq) {
    if (seq <= this.collected) return "drop";
    if (seq > this.head) return this.#hole();
    this.collected = seq;
    return seq === this.head ? this.#complete() : "collect";
  }

  #complete() {
    this.seq = this.head;
    this.epoch = this.nextEpoch;
    this.mode = "events";
    return "complete";
  }

  #hole() {
    this.mode = "waiting";
    return "hole";
  }
}
