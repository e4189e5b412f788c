// Port: where objects are written. A driver passes test/contract/object-target.contract.ts.
// Every effect is conditioned on a token, and says honestly when nobody knows whether it happened.
import type { Fault } from './faults.ts';
import type { ListRequest } from './object-source.ts';
import type { ObjectLocation, TargetMetadata, TargetObject, TargetToken } from './object.ts';

/** The target state an effect is conditioned on. `absent`: only if no live object has this name. */
export type TargetCondition = TargetToken | 'absent';

export type TargetLook =
  | { readonly kind: 'absent' }
  | { readonly kind: 'present'; readonly object: TargetObject };

/**
 * How an effect ended.
 * `committed`: the target confirmed it; `object` is the state after it (null after a delete).
 * `conflict`: the condition was false (412, or 404 for an object that should exist): nothing happened now. It may
 * also mean that an earlier try of ours succeeded: look again, never conclude.
 * `unanswered`: no answer, or one that proves nothing (timeout, reset, 5xx): it may have happened, may still
 * happen, or never will. The caller owes a later look.
 * A definite refusal (4xx) is thrown as a Fault: nothing happened.
 */
export type EffectAnswer =
  | { readonly kind: 'committed'; readonly object: TargetObject | null }
  | { readonly kind: 'conflict' }
  | { readonly kind: 'unanswered'; readonly fault: Fault };

/** Where the written object is put, beside its metadata; null means the bucket's own default. */
export interface Placement {
  readonly storageClass: string | null;
  readonly kmsKeyName: string | null;
}

export interface InsertRequest {
  readonly location: ObjectLocation;
  readonly condition: TargetCondition;
  readonly metadata: TargetMetadata;
  readonly placement: Placement;
  /** The whole object: small enough to be held in memory. */
  readonly body: Uint8Array;
  /** CRC32C of the body, base64. The target refuses other bytes before they become visible. */
  readonly crc32c: string;
  /** Milliseconds after which the request is given up and counts as unanswered. */
  readonly deadlineMs: number;
}

/**
 * An upload in progress. `uri` grants write access by itself: never logged, never shown, encrypted at rest.
 */
export interface UploadSession {
  readonly uri: string;
}

/** What a target keeps of an unfinished upload. */
export type UploadProgress =
  /** The first `persistedBytes` bytes are kept; continue there. */
  | { readonly kind: 'open'; readonly persistedBytes: number }
  /** The upload was finished (an earlier finish took effect after all). */
  | { readonly kind: 'committed'; readonly object: TargetObject }
  /** The session is gone: open a new one and begin again. */
  | { readonly kind: 'lost' };

export interface UploadSendRequest {
  readonly session: UploadSession;
  /** Offset of the first byte of `body` in the object: exactly what the target said it keeps. */
  readonly startByte: number;
  /** Bytes that `body` yields; startByte + lengthBytes is a multiple of `blockBytes`. Never the object's end. */
  readonly lengthBytes: number;
  readonly body: AsyncIterable<Uint8Array>;
}

export interface UploadFinishRequest {
  readonly session: UploadSession;
  /** Offset of the last bytes, which commit the object; equal to totalBytes for an empty finish. */
  readonly startByte: number;
  readonly lastBytes: Uint8Array;
  readonly totalBytes: number;
  /** CRC32C of the whole object, base64, enforced by the target before the object becomes visible. */
  readonly crc32c: string;
  /** Custom metadata added by the finishing request. The caller checks in the answer that it arrived. */
  readonly custom: Readonly<Record<string, string>>;
  readonly deadlineMs: number;
}

/** Facts about the target that core decides on, instead of asking which provider it is. */
export interface TargetCapabilities {
  /** Why the target cannot store an object of this key, or null. `bucket`/`key` are the mapped ones. */
  nameProblem(location: ObjectLocation): string | null;
  readonly maxObjectBytes: number;
  /** Total of names and values of the custom metadata, in UTF-8 bytes. */
  readonly maxCustomMetadataBytes: number;
  /** Uploads are sent in multiples of this many bytes, the end of the object excepted. */
  readonly blockBytes: number;
  /** So long after it was opened an upload ends by itself, finished or not. */
  readonly uploadLifetimeMs: number;
  /** Effects on one name closer together than this are refused as too many; 0 where there is no such limit. */
  readonly sameNameIntervalMs: number;
}

export interface TargetListEntry {
  readonly key: string;
  readonly object: TargetObject;
}

export interface TargetListPage {
  readonly entries: readonly TargetListEntry[];
  readonly nextCursor: string | null;
}

/**
 * Every method throws a Fault (`target_*`, `access_denied`, ...) or, when `signal` is aborted, the signal's reason;
 * an aborted effect is unanswered, which the caller has to assume. None retries.
 */
export interface ObjectTarget {
  readonly capabilities: TargetCapabilities;
  /** 404 of the object is `absent`; a missing bucket and a 403 are faults. */
  look(location: ObjectLocation, signal: AbortSignal): Promise<TargetLook>;
  /** Writes a small object in one request. */
  insert(request: InsertRequest, signal: AbortSignal): Promise<EffectAnswer>;
  /** Opens an upload whose finish is conditioned on `condition`. No effect yet: nothing is visible before finish. */
  openUpload(
    request: {
      readonly location: ObjectLocation;
      readonly condition: TargetCondition;
      readonly metadata: TargetMetadata;
      readonly placement: Placement;
    },
    signal: AbortSignal,
  ): Promise<UploadSession>;
  /**
   * Sends bytes that do not end the object. Returns what the target keeps, which may be less than was sent.
   * A fault of the body (from the source) is thrown unchanged; a broken connection or a 5xx is thrown as a
   * `target_*` fault and the caller asks `uploadProgress`.
   */
  sendUpload(request: UploadSendRequest, signal: AbortSignal): Promise<UploadProgress>;
  /** Asks what the target keeps, without finishing anything. */
  uploadProgress(session: UploadSession, signal: AbortSignal): Promise<UploadProgress>;
  /** The effect: the object becomes visible, whole, or not at all. `lost` session: fault `upload_session_lost`. */
  finishUpload(request: UploadFinishRequest, signal: AbortSignal): Promise<EffectAnswer>;
  /** Gives an upload up. Best effort: an upload that nobody finishes is invisible and expires by itself. */
  cancelUpload(session: UploadSession, signal: AbortSignal): Promise<void>;
  /** Replaces the whole metadata (what is not in it is removed) of the object at exactly `token`. Bytes stay. */
  updateMetadata(
    request: {
      readonly location: ObjectLocation;
      readonly token: TargetToken;
      readonly metadata: TargetMetadata;
      readonly deadlineMs: number;
    },
    signal: AbortSignal,
  ): Promise<EffectAnswer>;
  /** Deletes the live object at exactly `token`; never by a version, which would remove history. */
  remove(
    request: { readonly location: ObjectLocation; readonly token: TargetToken; readonly deadlineMs: number },
    signal: AbortSignal,
  ): Promise<EffectAnswer>;
  /** What an entry shows is what a look at that moment shows, custom metadata included. */
  list(request: ListRequest, signal: AbortSignal): Promise<TargetListPage>;
}
