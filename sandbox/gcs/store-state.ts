// The buckets and every generation in them. Each change is one synchronous step, so it is atomic for all readers:
// judge the rules, then swap. Routes decide what to change; this file decides whether it may and what results.
import type { AccessRules } from './access.ts';
import { GcsError, noSuchBucket, noSuchObject } from './errors.ts';
import { type ObjectFields, checkObjectName } from './object-fields.ts';
import { type Preconditions, judgePreconditions } from './preconditions.ts';
import type { StoredBytes } from './stored-bytes.ts';

/** What a bucket is created with. */
export interface BucketOptions {
  /** Keep overwritten and deleted generations; false by default. */
  readonly versioned?: boolean;
  /** Objects younger than this cannot be overwritten or deleted; none by default. */
  readonly retentionSec?: number;
  /** STANDARD by default. */
  readonly storageClass?: string;
  /** False: only size, CRC32C and MD5 of objects are kept. The server's own choice by default. */
  readonly keepBytes?: boolean;
  /** Further fields shown in the bucket resource; they change nothing in what the bucket does. */
  readonly resource?: Readonly<Record<string, unknown>>;
}

/** One generation of an object; immutable, replaced whole by a metadata update. */
export interface StoredObject {
  readonly bucket: string;
  readonly name: string;
  readonly generation: string;
  readonly metageneration: number;
  readonly bytes: StoredBytes;
  readonly fields: ObjectFields;
  readonly componentCount: number | null;
  readonly kmsKeyName: string | null;
  readonly createdMs: number;
  readonly updatedMs: number;
  /** When it stopped being the live generation; null while it is. */
  readonly deletedMs: number | null;
}

/** A new generation that a request wants to make live. */
export interface ObjectDraft {
  readonly bucket: string;
  readonly name: string;
  readonly bytes: StoredBytes;
  readonly fields: ObjectFields;
  readonly componentCount: number | null;
  readonly kmsKeyName: string | null;
  readonly preconditions: Preconditions;
}

interface Generations {
  live: StoredObject | null;
  readonly noncurrent: StoredObject[];
  changedMs: number;
}

export interface Bucket {
  readonly name: string;
  readonly options: BucketOptions;
  readonly createdMs: number;
  readonly objects: Map<string, Generations>;
  /** Names in byte order; null when it has to be computed again. */
  sortedNames: readonly string[] | null;
}

export interface StateOptions {
  readonly nowMs: () => number;
  readonly keepBytes: boolean;
  readonly rateLimitPerObject: boolean;
  readonly access: AccessRules;
  /** Told of every new state of a live object in the step that makes it visible; null: removed. */
  readonly onChange: (name: string, object: StoredObject | null) => void;
}

const MIN_REWRITE_INTERVAL_MS = 1000;

/** All buckets of one sandbox. */
export class StoreState {
  readonly #options: StateOptions;
  readonly #buckets = new Map<string, Bucket>();
  #lastGeneration = 0;

  constructor(options: StateOptions) {
    this.#options = options;
  }

  /** 409 when the bucket exists. */
  createBucket(name: string, options: BucketOptions): Bucket {
    if (this.#buckets.has(name))
      throw new GcsError(
        409,
        'conflict',
        'Your previous request to create the named bucket succeeded and you already own it.',
      );
    const bucket: Bucket = {
      name,
      options,
      createdMs: this.#options.nowMs(),
      objects: new Map(),
      sortedNames: null,
    };
    this.#buckets.set(name, bucket);
    return bucket;
  }

  /** 404 when there is none. */
  bucket(name: string): Bucket {
    const bucket = this.#buckets.get(name);
    if (bucket === undefined) throw noSuchBucket();
    return bucket;
  }

  buckets(): readonly Bucket[] {
    return [...this.#buckets.values()].sort((left, right) => (left.name < right.name ? -1 : 1));
  }

  keepsBytes(bucketName: string): boolean {
    return this.bucket(bucketName).options.keepBytes ?? this.#options.keepBytes;
  }

  /** The live generation; null when there is none. */
  live(bucketName: string, name: string): StoredObject | null {
    return this.bucket(bucketName).objects.get(name)?.live ?? null;
  }

  /**
   * The live object (`generation` null) or exactly that generation.
   * 404 when absent, or 403 where the caller may not list and so may not learn that.
   */
  find(bucketName: string, name: string, generation: string | null): StoredObject {
    const generations = this.bucket(bucketName).objects.get(name);
    const found =
      generation === null
        ? generations?.live
        : [generations?.live, ...(generations?.noncurrent ?? [])].find(
            (object) => object?.generation === generation,
          );
    if (found !== undefined && found !== null) return found;
    this.#options.access.require('storage.objects.list');
    throw noSuchObject(bucketName, name);
  }

  /** Makes a new generation live. 412, 403, 429 or 400 when it may not be; then nothing changed. */
  commit(draft: ObjectDraft): StoredObject {
    checkObjectName(draft.name);
    const bucket = this.bucket(draft.bucket);
    const generations = bucket.objects.get(draft.name);
    const replaced = generations?.live ?? null;
    this.#checkRate(draft.bucket, draft.name);
    judgePreconditions(draft.preconditions, replaced);
    if (replaced !== null) {
      this.#options.access.require('storage.objects.delete');
      this.#checkHolds(bucket, replaced);
    }
    const nowMs = this.#options.nowMs();
    const created: StoredObject = {
      bucket: draft.bucket,
      name: draft.name,
      generation: this.#nextGeneration(nowMs),
      metageneration: 1,
      bytes: draft.bytes,
      fields: { contentType: 'application/octet-stream', ...draft.fields },
      componentCount: draft.componentCount,
      kmsKeyName: draft.kmsKeyName,
      createdMs: nowMs,
      updatedMs: nowMs,
      deletedMs: null,
    };
    if (generations === undefined) {
      bucket.objects.set(draft.name, { live: created, noncurrent: [], changedMs: nowMs });
      bucket.sortedNames = null;
      this.#options.onChange(draft.name, created);
      return created;
    }
    this.#retire(bucket, generations, nowMs);
    generations.live = created;
    generations.changedMs = nowMs;
    this.#options.onChange(draft.name, created);
    return created;
  }

  /** Writes other fields to `current`: same generation, next metageneration. */
  updateFields(current: StoredObject, fields: ObjectFields): StoredObject {
    const generations = this.#generationsOf(current);
    this.#checkRate(current.bucket, current.name);
    const nowMs = this.#options.nowMs();
    const updated = { ...current, fields, metageneration: current.metageneration + 1, updatedMs: nowMs };
    if (generations.live === current) {
      generations.live = updated;
      this.#options.onChange(current.name, updated);
    } else generations.noncurrent[generations.noncurrent.indexOf(current)] = updated;
    generations.changedMs = nowMs;
    return updated;
  }

  /**
   * Deletes `current`.
   * @param forGood remove that generation itself, history included; otherwise a versioned bucket keeps it
   */
  remove(current: StoredObject, forGood: boolean): void {
    const bucket = this.bucket(current.bucket);
    const generations = this.#generationsOf(current);
    this.#checkRate(current.bucket, current.name);
    this.#checkHolds(bucket, current);
    const nowMs = this.#options.nowMs();
    generations.changedMs = nowMs;
    if (generations.live === current) this.#options.onChange(current.name, null);
    if (!forGood) this.#retire(bucket, generations, nowMs);
    else if (generations.live === current) generations.live = null;
    else generations.noncurrent.splice(generations.noncurrent.indexOf(current), 1);
    if (generations.live !== null || generations.noncurrent.length > 0) return;
    bucket.objects.delete(current.name);
    bucket.sortedNames = null;
  }

  /** Every name of the bucket in the order of its UTF-8 bytes, also names without a live object. */
  sortedNames(bucket: Bucket): readonly string[] {
    bucket.sortedNames ??= [...bucket.objects.keys()]
      .map((name) => ({ name, bytes: Buffer.from(name) }))
      .sort((left, right) => Buffer.compare(left.bytes, right.bytes))
      .map(({ name }) => name);
    return bucket.sortedNames;
  }

  /** Generations of one name, oldest first; only the live one unless `all`. */
  generations(bucket: Bucket, name: string, all: boolean): readonly StoredObject[] {
    const generations = bucket.objects.get(name);
    if (generations === undefined) return [];
    const live = generations.live === null ? [] : [generations.live];
    return all ? [...generations.noncurrent, ...live] : live;
  }

  #generationsOf(object: StoredObject): Generations {
    const generations = this.bucket(object.bucket).objects.get(object.name);
    if (generations === undefined) throw noSuchObject(object.bucket, object.name);
    return generations;
  }

  #retire(bucket: Bucket, generations: Generations, nowMs: number): void {
    if (generations.live !== null && bucket.options.versioned === true)
      generations.noncurrent.push({ ...generations.live, deletedMs: nowMs });
    generations.live = null;
  }

  /** Microseconds, always growing, also when the clock does not. */
  #nextGeneration(nowMs: number): string {
    this.#lastGeneration = Math.max(this.#lastGeneration + 1, Math.floor(nowMs * 1000));
    return String(this.#lastGeneration);
  }

  #checkRate(bucketName: string, name: string): void {
    const changedMs = this.#options.rateLimitPerObject
      ? this.bucket(bucketName).objects.get(name)?.changedMs
      : undefined;
    if (changedMs === undefined || this.#options.nowMs() - changedMs >= MIN_REWRITE_INTERVAL_MS) return;
    throw new GcsError(
      429,
      'rateLimitExceeded',
      `The object ${bucketName}/${name} exceeded the rate limit for object mutation operations ` +
        '(create, update, and delete). Please reduce your request rate.',
    );
  }

  #checkHolds(bucket: Bucket, object: StoredObject): void {
    const place = `${object.bucket}/${object.name}`;
    for (const hold of ['temporaryHold', 'eventBasedHold'] as const)
      if (object.fields[hold] === true)
        throw new GcsError(
          403,
          'objectUnderActiveHold',
          `Object '${place}' is under active ${hold} and cannot be deleted, overwritten or archived until hold is removed.`,
        );
    const retainedUntilMs = object.createdMs + (bucket.options.retentionSec ?? 0) * 1000;
    if (this.#options.nowMs() >= retainedUntilMs) return;
    throw new GcsError(
      403,
      'retentionPolicyNotMet',
      `Object '${place}' is subject to bucket's retention policy or object retention and cannot be deleted or ` +
        `overwritten until ${new Date(retainedUntilMs).toISOString()}`,
    );
  }
}
