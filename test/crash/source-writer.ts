// Writes to the source bucket, each version with bytes or metadata of its own, and notes it in the ledger first.
import { randomBytes } from 'node:crypto';
import type { TwoClouds } from '../../sandbox/two-clouds.ts';
import type { Choices } from '../model/choices.ts';
import { SOURCE_BUCKET } from '../system/service-under-test.ts';
import type { Change } from './event-client.ts';
import { type Ledger, VERSION_FIELD } from './ledger.ts';

/** The setting under which "large" below means an upload session. */
export const CHUNK_SIZE_BYTES = 256 * 1024;

/** Two writes closer than this may carry the same time. */
const LISTED_PRECISION_MS = 1_500;

const CONTENT_TYPES = ['text/plain', 'image/png', 'application/json', 'binary/octet-stream'] as const;

/** The notification of a put, once more. */
export function createdAgain(key: string): Change {
  return { key, event: 'ObjectCreated:Put', sizeBytes: null, isUnseenByListings: false };
}

export type Size = 'small' | 'large';

export class SourceWriter {
  /** What was done to the source, for the report. */
  readonly counts = { creates: 0, overwrites: 0, metadataChanges: 0, deletes: 0 };
  readonly #s3: TwoClouds['s3'];
  readonly #ledger: Ledger;
  readonly #choices: Choices;
  readonly #sizes = new Map<string, Size>();
  readonly #writtenAtMs = new Map<string, number>();
  readonly #maxKeys: number;

  /** Once there are `maxKeys` keys, what would be a new one overwrites one of them. */
  constructor(s3: TwoClouds['s3'], ledger: Ledger, choices: Choices, maxKeys: number) {
    this.#maxKeys = maxKeys;
    this.#s3 = s3;
    this.#ledger = ledger;
    this.#choices = choices;
  }

  /** Writes an object under a key that was never used. */
  async create(size: Size): Promise<Change> {
    const number = this.#sizes.size;
    const key = `folder ${number % 7}/é+%25/object-${number}`;
    this.#sizes.set(key, size);
    this.counts.creates += 1;
    return this.#put(key, this.#bytes(size));
  }

  /** Writes other bytes under the key, which may be deleted at the moment. */
  async overwrite(key: string): Promise<Change> {
    this.counts.overwrites += 1;
    return this.#put(key, this.#bytes(this.#sizes.get(key) ?? 'small'));
  }

  /** Writes the same bytes with other metadata; other bytes where the key is deleted. */
  async changeMetadata(key: string): Promise<Change> {
    const current = this.#s3.getObject(SOURCE_BUCKET, key);
    if (current === null) return this.overwrite(key);
    this.counts.metadataChanges += 1;
    const sinceMs = performance.now() - (this.#writtenAtMs.get(key) ?? 0);
    return { ...(await this.#put(key, current.bytes)), isUnseenByListings: sinceMs < LISTED_PRECISION_MS };
  }

  /** Deletes the object; writes it again where it is deleted already. */
  async remove(key: string): Promise<Change> {
    if (!this.#ledger.isPresent(key)) return this.overwrite(key);
    this.counts.deletes += 1;
    this.#ledger.noteDelete(key);
    this.#s3.deleteObject(SOURCE_BUCKET, key);
    this.#ledger.noteWritten(key);
    return { key, event: 'ObjectRemoved:Delete', sizeBytes: null, isUnseenByListings: false };
  }

  /** One of the keys of this size that the source holds or held; a new one where there is none. */
  async someKey(size: Size): Promise<string> {
    const keys = [...this.#sizes].filter(([, of]) => of === size).map(([key]) => key);
    return keys[this.#choices.pick(Math.max(keys.length, 1))] ?? (await this.create(size)).key;
  }

  /** Something of everything, mostly small. */
  async anything(): Promise<Change> {
    const size = this.#choices.weighted([6, 1]) === 0 ? 'small' : 'large';
    switch (this.#choices.weighted([5, 5, 2, 1, 2])) {
      case 0:
        if (this.#sizes.size < this.#maxKeys) return this.create(size);
        return this.overwrite(await this.someKey(size));
      case 1:
        return this.overwrite(await this.someKey(size));
      case 2:
        return this.changeMetadata(await this.someKey(size));
      case 3:
        return this.remove(await this.someKey(size));
      default:
        return createdAgain(await this.someKey(size));
    }
  }

  async #put(key: string, bytes: Buffer): Promise<Change> {
    const contentType = this.#choices.oneOf(CONTENT_TYPES);
    const version = this.#ledger.notePut(key, bytes, contentType);
    const metadata = { [VERSION_FIELD]: String(version) };
    await this.#s3.putObject(SOURCE_BUCKET, key, bytes, { contentType, metadata });
    this.#ledger.noteWritten(key);
    this.#writtenAtMs.set(key, performance.now());
    return { ...createdAgain(key), sizeBytes: this.#choices.chance(500) ? bytes.length : null };
  }

  #bytes(size: Size): Buffer {
    const pick = (count: number): number => this.#choices.pick(count);
    // Some are empty; large ones are seldom whole blocks of an upload.
    if (size === 'small') return randomBytes(pick(8) === 7 ? 0 : pick(CHUNK_SIZE_BYTES / 4) + 1);
    return randomBytes(CHUNK_SIZE_BYTES * (5 + pick(5)) + (pick(4) === 3 ? 0 : pick(100_000)));
  }
}
