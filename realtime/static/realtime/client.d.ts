/** One event of a stream. */
export interface LiveEvent<Data = unknown> {
  /** The kind of event: "graph_execution_event", "node_execution_event", "notification", … */
  readonly method: string;
  readonly data: Data;
  /** Its number in the stream: 1, 2, 3, … */
  readonly seq: number;
  /** The stream's key; null for notifications. */
  readonly channel: string | null;
  /** Of a "notification": its id, as `ids` of "notification_read" and "notification_deleted" have it. */
  readonly id?: string;
  /** Whether it happened before the server answered the subscription. */
  readonly isReplay: boolean;
}

/** The newest event of each entity, in the order of the event numbers. */
export interface Snapshot {
  readonly events: readonly LiveEvent[];
  /** Whether there are more entities than `limit`. */
  readonly isTruncated: boolean;
}

/** The position of a watch in its stream. A later watch takes it as `after` and `epoch`. */
export interface Position {
  readonly after: number;
  readonly epoch: string;
}

export type WatchState = "connecting" | "catching_up" | "live" | "refused";

export interface WatchOptions {
  /** The number of the last known event; the watch continues after it. */
  after?: number;
  /** The epoch that `after` belongs to. */
  epoch?: string;
  /**
   * What to get first without `after`. "all": every event from the first one on (the default for an execution);
   * "latest": a snapshot (the default for a graph); "none": only new events (the default for notifications).
   */
  replay?: "all" | "latest" | "none";
  /** The most entities of a snapshot; the newest are kept. 200 by default. */
  limit?: number;
  /** Every event, in order, once, across any number of lost connections. */
  onEvent?(event: LiveEvent): void;
  /**
   * Replaces everything that is known of the stream. It comes first if `replay` is "latest", and later when missed
   * events can no longer be replayed completely. Events follow it.
   */
  onSnapshot?(snapshot: Snapshot): void;
  /** "live" means that all events up to the server's answer have been delivered. */
  onState?(state: WatchState): void;
  /**
   * The execution or graph does not exist, is not visible to this user, or was deleted during the watch; or this user
   * may not watch it any more.
   */
  onRefused?(reason: string): void;
}

export interface Watch {
  /** Null before the first answer of the server. */
  readonly position: Position | null;
  stop(): void;
}

export type ConnectionState =
  | { readonly name: "connecting" }
  /** Connected; missed events are being delivered. */
  | { readonly name: "catching_up" }
  /** Connected, and every watch is up to date. */
  | { readonly name: "live" }
  /** Not connected; the next attempt is at `retryAt` (milliseconds since 1970), or earlier after a browser event. */
  | { readonly name: "waiting"; readonly retryAt: number }
  /** The server refuses the credentials. The client does not try again by itself. */
  | { readonly name: "signed_out" }
  | { readonly name: "closed" };

/** What a guest sees of an execution: the data of a "shared_execution_event". */
export interface SharedExecution {
  readonly id: string;
  readonly graph_name: string;
  readonly status: string;
  readonly started_at: string | null;
  readonly ended_at: string | null;
  /** Name → values, masked. */
  readonly outputs: Readonly<Record<string, readonly unknown[]>>;
}

/** One WebSocket for all watches of a page. It connects and reconnects by itself. */
export class RunwireClient {
  constructor(options?: {
    /** ws:// or wss://; /ws on the page's own host by default. */
    url?: string;
    /** The token of a link to a shared execution. The client is a guest, and may watch `("shared", id)` and no more. */
    share?: string;
    /** Called with each change of the state. */
    onState?(state: ConnectionState): void;
  });
  readonly state: ConnectionState;
  /** The events of one execution and its nodes. Throws if this client already watches it. */
  watchExecution(id: string, options?: WatchOptions): Watch;
  /** The events of all executions of one graph. */
  watchGraph(id: string, options?: WatchOptions): Watch;
  /**
   * A stream of another app, by its kind and id. For a guest it is the kind "shared" with the id of the execution, whose
   * events are `SharedExecution`.
   */
  watchStream(kind: string, id: string, options?: WatchOptions): Watch;
  /** The notifications of the user, and their changes. */
  watchNotifications(options?: WatchOptions): Watch;
  /** Connects again after `close()`, or after signing in again. */
  open(): void;
  close(): void;
}
