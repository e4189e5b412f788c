// Port: one small text from a fixed address. A driver follows no redirect, asks once, and holds both limits.

export interface DocumentAnswer {
  readonly status: number;
  /** The body as UTF-8; empty where the status is not 200. */
  readonly text: string;
}

/**
 * GET. Resolves with any whole answer. Rejects where there is none in `timeoutMs` milliseconds, name lookup and
 * connection included, or where it is longer than `maxBytes`.
 */
export type FetchDocument = (request: {
  readonly url: string;
  readonly maxBytes: number;
  readonly timeoutMs: number;
}) => Promise<DocumentAnswer>;
