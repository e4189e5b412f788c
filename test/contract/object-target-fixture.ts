// What the checks of the object target contract run on, and the small words they share.
import assert from 'node:assert/strict';
import { crc32c, crc32cToBase64 } from '../../src/core/checksum.ts';
import { Fault, type FaultCode } from '../../src/core/faults.ts';
import type { ObjectLocation, TargetMetadata, TargetObject } from '../../src/core/object.ts';
import type {
  EffectAnswer,
  ObjectTarget,
  Placement,
  TargetCondition,
  UploadSession,
} from '../../src/core/object-target.ts';

/** A driver with one bucket that is empty, or in which nobody else uses the keys of this run. */
export interface ObjectTargetFixture {
  readonly target: ObjectTarget;
  readonly bucket: string;
  /** The bytes of the live object, read past the driver; null where there is none. */
  readBytes(key: string): Promise<Uint8Array | null>;
  /** Writes past the driver and on no condition. Without it the driver itself plays the other writer. */
  foreignWrite?(key: string, bytes: Uint8Array): Promise<void>;
  close(): Promise<void>;
}

/** What one check sees: the fixture, and keys that no other check uses. */
export interface CheckContext {
  readonly target: ObjectTarget;
  readonly bucket: string;
  at(name: string): ObjectLocation;
  readBytes(location: ObjectLocation): Promise<Uint8Array | null>;
  foreignWrite(location: ObjectLocation, bytes: Uint8Array): Promise<void>;
}

export type Check = (context: CheckContext) => Promise<void>;

export const DEADLINE_MS = 30_000;
export const DEFAULT_PLACEMENT: Placement = { storageClass: null, kmsKeyName: null };

/** A signal that is never aborted. */
export function live(): AbortSignal {
  return new AbortController().signal;
}

export function bytesOf(text: string): Uint8Array {
  return Buffer.from(text);
}

/** Bytes without a short period, so that a shifted or doubled block cannot look right. */
export function patternBytes(sizeBytes: number): Uint8Array {
  const bytes = Buffer.alloc(sizeBytes);
  let state = 0x2545f491;
  for (let index = 0; index < sizeBytes; index += 1) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[index] = state >>> 24;
  }
  return bytes;
}

export function checksumOf(bytes: Uint8Array): string {
  return crc32cToBase64(crc32c(bytes));
}

export function metadataWith(custom: Readonly<Record<string, string>>): TargetMetadata {
  return {
    contentType: 'text/plain',
    cacheControl: null,
    contentDisposition: null,
    contentLanguage: null,
    contentEncoding: null,
    custom,
  };
}

/** Inserts and returns the answer as it is. */
export async function insertBytes(
  { target }: CheckContext,
  location: ObjectLocation,
  bytes: Uint8Array,
  condition: TargetCondition,
  metadata: TargetMetadata = metadataWith({}),
): Promise<EffectAnswer> {
  return await target.insert(
    {
      location,
      condition,
      metadata,
      placement: DEFAULT_PLACEMENT,
      body: bytes,
      crc32c: checksumOf(bytes),
      deadlineMs: DEADLINE_MS,
    },
    live(),
  );
}

/** Inserts what must be inserted and returns the object. */
export async function put(
  context: CheckContext,
  location: ObjectLocation,
  text: string,
  condition: TargetCondition = 'absent',
  metadata: TargetMetadata = metadataWith({}),
): Promise<TargetObject> {
  return committed(await insertBytes(context, location, bytesOf(text), condition, metadata));
}

/** The object of an answer that must be a commit. */
export function committed(answer: EffectAnswer): TargetObject {
  assert.equal(answer.kind, 'committed', describeAnswer(answer));
  assert.ok(answer.kind === 'committed' && answer.object !== null, 'The commit shows no object');
  return answer.object;
}

export function assertConflict(answer: EffectAnswer): void {
  assert.equal(answer.kind, 'conflict', describeAnswer(answer));
}

function describeAnswer(answer: EffectAnswer): string {
  return answer.kind === 'unanswered'
    ? `unanswered: ${answer.fault.message}`
    : `The answer is ${answer.kind}`;
}

/** The live object, which must be there. */
export async function present({ target }: CheckContext, location: ObjectLocation): Promise<TargetObject> {
  const seen = await target.look(location, live());
  assert.ok(seen.kind === 'present', `${location.key} is absent`);
  return seen.object;
}

export async function assertAbsent({ target }: CheckContext, location: ObjectLocation): Promise<void> {
  assert.deepEqual(await target.look(location, live()), { kind: 'absent' });
}

export async function assertBytes(
  context: CheckContext,
  location: ObjectLocation,
  expected: Uint8Array,
): Promise<void> {
  const stored = await context.readBytes(location);
  assert.ok(stored !== null, `${location.key} has no bytes`);
  assert.ok(
    Buffer.compare(stored, expected) === 0,
    `${location.key} holds ${stored.length} bytes that are not the ${expected.length} expected ones`,
  );
}

export async function assertFault(promise: Promise<unknown>, code: FaultCode): Promise<void> {
  await assert.rejects(promise, (error) => {
    assert.ok(error instanceof Fault, `Not a fault: ${String(error)}`);
    assert.equal(error.code, code, error.message);
    return true;
  });
}

/** The bytes as a stream of pieces that do not end where blocks do. */
export async function* streamOf(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let start = 0; start < bytes.length; start += 100_000) yield bytes.subarray(start, start + 100_000);
}

/** Sends `bytes[startByte..endByte)` and returns how many bytes the target then keeps. */
export async function send(
  { target }: CheckContext,
  session: UploadSession,
  bytes: Uint8Array,
  startByte: number,
  endByte: number,
): Promise<number> {
  const progress = await target.sendUpload(
    {
      session,
      startByte,
      lengthBytes: endByte - startByte,
      body: streamOf(bytes.subarray(startByte, endByte)),
    },
    live(),
  );
  assert.ok(progress.kind === 'open', `The upload is ${progress.kind}`);
  return progress.persistedBytes;
}

/** Finishes with everything from `startByte` on. */
export async function finish(
  { target }: CheckContext,
  session: UploadSession,
  bytes: Uint8Array,
  startByte: number,
  options: { readonly crc32c?: string; readonly custom?: Readonly<Record<string, string>> } = {},
): Promise<EffectAnswer> {
  return await target.finishUpload(
    {
      session,
      startByte,
      lastBytes: bytes.subarray(startByte),
      totalBytes: bytes.length,
      crc32c: options.crc32c ?? checksumOf(bytes),
      custom: options.custom ?? {},
      deadlineMs: DEADLINE_MS,
    },
    live(),
  );
}

export async function openUpload(
  { target }: CheckContext,
  location: ObjectLocation,
  condition: TargetCondition = 'absent',
  metadata: TargetMetadata = metadataWith({}),
): Promise<UploadSession> {
  return await target.openUpload({ location, condition, metadata, placement: DEFAULT_PLACEMENT }, live());
}
