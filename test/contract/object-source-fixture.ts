// What the checks of the object source contract run on, and the small words they share.
import assert from 'node:assert/strict';
import { Fault, type FaultCode } from '../../src/core/faults.ts';
import type { ObjectLocation, SourceState } from '../../src/core/object.ts';
import type { ObjectSource, SourceRead } from '../../src/core/object-source.ts';

/** What a stored object carries beside its bytes. */
export interface SourcePutOptions {
  readonly contentType?: string;
  readonly cacheControl?: string;
  readonly contentDisposition?: string;
  readonly contentLanguage?: string;
  readonly contentEncoding?: string;
  /** Names in lower case; values are any text. */
  readonly user?: Readonly<Record<string, string>>;
}

/** A driver, and a way to write past it into buckets in which nobody else uses the keys of this run. */
export interface ObjectSourceFixture {
  readonly source: ObjectSource;
  /** Has never had versions. */
  readonly bucket: string;
  /** Has versions switched on. */
  readonly versionedBucket: string;
  readonly missingBucket: string;
  /** The most reads that can be open at once; a leaked one shows when they are used up. */
  readonly connectionCount: number;
  put(location: ObjectLocation, bytes: Uint8Array, options: SourcePutOptions): Promise<void>;
  /** Deletes without a version: a delete marker where the bucket has versions. */
  remove(location: ObjectLocation): Promise<void>;
  close(): Promise<void>;
}

/** What one check sees: the fixture, and keys that no other check uses. */
export interface SourceCheckContext extends ObjectSourceFixture {
  /** Ends with a slash. */
  readonly prefix: string;
  at(name: string): ObjectLocation;
  /** The same in the bucket with versions. */
  versionedAt(name: string): ObjectLocation;
  putText(location: ObjectLocation, text: string, options?: SourcePutOptions): Promise<void>;
}

export type SourceCheck = (context: SourceCheckContext) => Promise<void>;

/** A signal that is never aborted. */
export function live(): AbortSignal {
  return new AbortController().signal;
}

/** Bytes without a short period, so that a shifted or doubled piece cannot look right. */
export function patternBytes(sizeBytes: number, seed: number): Buffer {
  const bytes = Buffer.alloc(sizeBytes);
  let state = (0x2545f491 ^ seed) >>> 0;
  for (let index = 0; index < sizeBytes; index += 1) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[index] = state >>> 24;
  }
  return bytes;
}

/** The state of an object that must be there. */
export async function stateOf(
  { source }: SourceCheckContext,
  location: ObjectLocation,
): Promise<SourceState> {
  const look = await source.look(location, live());
  assert.equal(look.kind, 'present', `${location.key} is absent`);
  assert.ok(look.kind === 'present');
  return look.state;
}

/** An open read that must be a body. */
export async function openRead(
  { source }: SourceCheckContext,
  location: ObjectLocation,
  pin: SourceState | null,
  startByte: number,
  signal: AbortSignal = live(),
): Promise<Extract<SourceRead, { kind: 'body' }>> {
  const read = await source.read({ location, pin, startByte }, signal);
  assert.equal(read.kind, 'body', `${location.key} has no body`);
  assert.ok(read.kind === 'body');
  return read;
}

/** Every byte of a body, copied as the contract asks. */
export async function bytesOf(body: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of body) chunks.push(Uint8Array.from(chunk));
  return Buffer.concat(chunks);
}

export function assertSameBytes(actual: Uint8Array, expected: Uint8Array, what: string): void {
  assert.ok(
    Buffer.compare(actual, expected) === 0,
    `${what}: ${actual.length} bytes that are not the ${expected.length} expected ones`,
  );
}

export async function assertFault(promise: Promise<unknown>, code: FaultCode): Promise<void> {
  await assert.rejects(promise, (error) => {
    assert.ok(error instanceof Fault, `Not a fault: ${String(error)}`);
    assert.equal(error.code, code, error.message);
    return true;
  });
}
