// Who watches the requests of a sandbox server. A watcher is told of each request stage by stage; while its promise
// is pending the request stands still there, and where it throws ClientGone the connection is cut there.

/** Thrown where the client of a request is gone: by its body, by a scripted cut, by a watcher. */
export class ClientGone extends Error {
  override readonly name = 'ClientGone';
}

export type RequestStage =
  /** The head is here; nothing was done. */
  | 'arrived'
  /** Part of the request's body is here; the store has not seen that part. */
  | 'receiving'
  /** The store has done what was asked; nothing was answered. */
  | 'done'
  /** Part of an answer that is sent piece by piece is on its way. */
  | 'sending'
  /** The whole answer left this process. */
  | 'answered';

export interface WatchedRequest {
  readonly stage: RequestStage;
  readonly method: string;
  /** Exactly as sent. */
  readonly rawUrl: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** Bytes of the request's body (receiving) or of the answer's body (sending) so far; 0 at the other stages. */
  readonly bytes: number;
}

export type RequestWatcher = (request: WatchedRequest) => Promise<void> | void;

/** The watchers of one server, in the order in which they came. */
export class RequestStages {
  readonly #watchers = new Set<RequestWatcher>();

  get isWatched(): boolean {
    return this.#watchers.size > 0;
  }

  /** Returns the function that ends the watching. */
  watch(watcher: RequestWatcher): () => void {
    this.#watchers.add(watcher);
    return () => void this.#watchers.delete(watcher);
  }

  /** Resolves when no watcher holds the request any more. */
  async tell(request: WatchedRequest): Promise<void> {
    for (const watcher of this.#watchers) await watcher(request);
  }
}
