// Port: where objects are read. A driver passes test/contract/object-source.contract.ts.
import type { ObjectLocation, SourceState } from './object.ts';

/**
 * `proof` says how absence was proved. A 403, a HEAD's 404 alone, a missing bucket and a 404 to a version id prove
 * nothing and never become `absent`: they are faults, or the driver looks again with a GET.
 */
export type SourceLook =
  | { readonly kind: 'present'; readonly state: SourceState }
  | { readonly kind: 'absent'; readonly proof: 'no_such_key' | 'delete_marker' };

export interface SourceReadRequest {
  readonly location: ObjectLocation;
  /**
   * The state the read is bound to: the store must refuse (If-Match) anything else. Null asks for whatever is
   * current now: such a read is its own look.
   */
  readonly pin: SourceState | null;
  /** First byte wanted; above 0 only with a pin. Never equal to or above the pinned size. */
  readonly startByte: number;
}

/**
 * `changed`: the pinned state is no longer there (412, 404, 405, 416): look at both sides again.
 * `body` yields exactly the bytes from `startByte` to the end of `state`, or throws the fault
 * `source_read_broken` (cut, stalled, too short, too long). Each chunk is valid until the next is asked for, so a
 * consumer that keeps bytes copies them. Leaving the loop early or calling `return()` frees the connection; a body
 * that is not wanted must be freed with `discard()`.
 */
export type SourceRead =
  | {
      readonly kind: 'body';
      readonly state: SourceState;
      readonly body: AsyncIterable<Uint8Array>;
      discard(): void;
    }
  | { readonly kind: 'absent'; readonly proof: 'no_such_key' | 'delete_marker' }
  | { readonly kind: 'changed' };

/** What both sides are asked for one page of names, in the order of their UTF-8 bytes. */
export interface ListRequest {
  readonly bucket: string;
  readonly prefix: string;
  /** Only names that come after this one; without it, all. The same on every page of a listing. */
  readonly after?: string;
  /** `nextCursor` of the page before; null for the first. */
  readonly cursor: string | null;
  /** A page has at most so many entries. It may have fewer, even none, and still not be the last. */
  readonly limit: number;
}

export interface SourceListEntry {
  readonly key: string;
  readonly etag: string;
  readonly sizeBytes: number;
  readonly lastModifiedMs: number;
}

export interface SourceListPage {
  /** In the store's key order (UTF-8 bytes). */
  readonly entries: readonly SourceListEntry[];
  /** Opaque; null after the last page. */
  readonly nextCursor: string | null;
}

/**
 * Every method throws a Fault (`source_*`, `access_denied`, `credentials_*`, ...) or, when `signal` is aborted, the
 * signal's reason. None retries: retries live in the worker. All are safe to repeat.
 */
export interface ObjectSource {
  /** What is current now, in one answer. Never pinned to a version. */
  look(location: ObjectLocation, signal: AbortSignal): Promise<SourceLook>;
  /** Opens the object's bytes. The answer's own headers are the state; a driver never reuses an earlier look. */
  read(request: SourceReadRequest, signal: AbortSignal): Promise<SourceRead>;
  list(request: ListRequest, signal: AbortSignal): Promise<SourceListPage>;
}
