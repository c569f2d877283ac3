/** One event of a stream. */
export interface LiveEvent<Data = unknown> {
  /** What happened: "graph_execution_event", "node_execution_event", "notification", … */
  readonly method: string;
  readonly data: Data;
  /** Its number in the stream: 1, 2, 3, … */
  readonly seq: number;
  /** The stream's key; null for notifications. */
  readonly channel: string | null;
  /** Whether it had happened before the subscription was answered. */
  readonly isReplay: boolean;
}

/** The newest event of each entity, in the order of their numbers. */
export interface Snapshot {
  readonly events: readonly LiveEvent[];
  /** Whether there are more entities than `limit`. */
  readonly isTruncated: boolean;
}

/** Where a watch stands in its stream: what a later one takes as `after` and `epoch`. */
export interface Position {
  readonly after: number;
  readonly epoch: string;
}

export type WatchState = "connecting" | "catching_up" | "live" | "refused";

export interface WatchOptions {
  /** The last number that is known already; the watch goes on from there. */
  after?: number;
  /** The epoch that `after` belongs to. */
  epoch?: string;
  /**
   * What to get first where there is no `after`. "all": every event from the first one on (the default for an
   * execution); "latest": a snapshot (for a graph); "none": only what happens from now on (for notifications).
   */
  replay?: "all" | "latest" | "none";
  /** The most entities of a snapshot; the newest are kept. 200 where it is not given. */
  limit?: number;
  /** Every event, in order, once, across any number of lost connections. */
  onEvent?(event: LiveEvent): void;
  /**
   * Takes the place of everything that was known of the stream. It comes first where `replay` is "latest", and later
   * whenever what was missed cannot be repeated whole any more. Events go on behind it.
   */
  onSnapshot?(snapshot: Snapshot): void;
  /** "live" means that everything that had happened when the server answered has been handed on. */
  onState?(state: WatchState): void;
  /** There is no such execution or graph, or not for this user; also when it is deleted while it is watched. */
  onRefused?(reason: string): void;
}

export interface Watch {
  /** Null until the server has answered for the first time. */
  readonly position: Position | null;
  stop(): void;
}

export type ConnectionState =
  | { readonly name: "connecting" }
  /** Connected; what was missed is on its way. */
  | { readonly name: "catching_up" }
  /** Connected, and every watch has all that there is. */
  | { readonly name: "live" }
  /** Not connected; the next attempt is at `retryAt` (milliseconds since 1970), or sooner when the browser says so. */
  | { readonly name: "waiting"; readonly retryAt: number }
  /** The server does not accept the credentials. It does not try again by itself. */
  | { readonly name: "signed_out" }
  | { readonly name: "closed" };

/** One WebSocket for everything that a page watches. It opens by itself and comes back by itself. */
export class RunwireClient {
  constructor(options?: {
    /** ws:// or wss://; /ws on the page's own host where it is not given. */
    url?: string;
    /** Every change of the state, and only changes. */
    onState?(state: ConnectionState): void;
  });
  readonly state: ConnectionState;
  /** One execution's events and those of its nodes. Throws where this client watches it already. */
  watchExecution(id: string, options?: WatchOptions): Watch;
  /** The events of all executions of one graph. */
  watchGraph(id: string, options?: WatchOptions): Watch;
  /** The user's notifications, and what becomes of them. */
  watchNotifications(options?: WatchOptions): Watch;
  /** Opens it again after `close()`, or after signing in again. */
  open(): void;
  close(): void;
}
