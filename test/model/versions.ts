// The reference: every state that each source key ever had, in order, and what the invariants say about a target
// object in their light. Knows nothing of how the service works.
import { digestMetadata, mapMetadata } from '../../src/core/metadata-map.ts';
import type { ObjectLocation, SourceState, TargetMetadata, TargetToken } from '../../src/core/object.ts';
import { readStamp, type Stamp, stampSource } from '../../src/core/stamp.ts';

/** An invariant of docs/semantics.md that does not hold. */
export class Violation extends Error {
  override readonly name = 'Violation';
  readonly invariant: string;

  constructor(invariant: string, what: string) {
    super(`${invariant}: ${what}`);
    this.invariant = invariant;
  }
}

/** One identity that the source showed: bytes and metadata under one ETag, version, size and time. */
export interface Version {
  readonly label: string;
  readonly state: SourceState;
  readonly bytes: Uint8Array;
  readonly digest: string;
}

/** A target object at one moment, with what the store does not tell: its bytes. */
export interface TargetSnapshot {
  readonly token: TargetToken;
  readonly generation: string;
  readonly crc32c: string | null;
  readonly bytes: Uint8Array;
  readonly metadata: TargetMetadata;
}

/** What happened to a source key since the beginning. `moments` are its current versions in order, null: absent. */
class KeyRecord {
  readonly source: ObjectLocation;
  readonly versions: Version[] = [];
  readonly moments: (Version | null)[] = [null];

  constructor(source: ObjectLocation) {
    this.source = source;
  }

  get now(): number {
    return this.moments.length - 1;
  }

  get current(): Version | null {
    return this.moments[this.now] ?? null;
  }

  first(version: Version): number {
    return this.moments.indexOf(version);
  }

  last(version: Version): number {
    return this.moments.lastIndexOf(version);
  }

  wasAbsentSince(moment: number): boolean {
    return this.moments.lastIndexOf(null) >= moment;
  }
}

export class Versions {
  readonly #records = new Map<string, KeyRecord>();
  /** Generations whose bytes the service wrote. */
  readonly #ownGenerations = new Set<string>();

  /** Notes what is current at the source now. Returns how people call it. */
  observe(source: ObjectLocation, now: { state: SourceState; bytes: Uint8Array } | null): string {
    const record = this.record(source);
    const version = now === null ? null : versionOf(record, now);
    if (version !== record.current) record.moments.push(version);
    return version?.label ?? 'absent';
  }

  record(source: ObjectLocation): KeyRecord {
    const known = this.#records.get(source.key);
    if (known !== undefined) return known;
    const record = new KeyRecord(source);
    this.#records.set(source.key, record);
    return record;
  }

  /** The version that the object's stamp names, if its stamp is for this source object. */
  stamped(source: ObjectLocation, object: TargetSnapshot): { stamp: Stamp; version: Version | null } | null {
    const stamp = readStamp(object.metadata);
    if (stamp === null || stamp.source !== stampSource(source)) return null;
    const version = this.record(source).versions.find((known) => isNamedBy(stamp, known)) ?? null;
    return { stamp, version };
  }

  /** True where the service wrote the object's bytes. */
  isOurs(object: TargetSnapshot | null): boolean {
    return object !== null && this.#ownGenerations.has(object.generation);
  }

  /** How people call a target object. */
  label(source: ObjectLocation, object: TargetSnapshot | null): string {
    if (object === null) return 'absent';
    const found = this.stamped(source, object);
    const name = found === null ? 'foreign' : (found.version?.label ?? 'a stamp of no version');
    return `${name} at ${object.token}`;
  }

  /** Judges what an effect of the service did (I3, I4). `before` and `after` are the target around it. */
  judgeWrite(source: ObjectLocation, before: TargetSnapshot | null, after: TargetSnapshot): void {
    if (before?.generation !== after.generation) this.#ownGenerations.add(after.generation);
    const record = this.record(source);
    const written = this.requireWhole(source, after);
    const earlier = before === null ? null : this.stamped(source, before);
    if (before === null || earlier?.version === null || earlier?.version === undefined) return;
    if (!isEqual(before.bytes, earlier.version.bytes)) return;
    if (record.last(written) < record.first(earlier.version)) {
      throw new Violation(
        'I4',
        `${written.label} replaced ${earlier.version.label}, which is newer, at ${after.token}`,
      );
    }
  }

  /** I3: the object is exactly one whole version, with its metadata, under its own stamp. */
  requireWhole(source: ObjectLocation, object: TargetSnapshot): Version {
    const found = this.stamped(source, object);
    const version = found?.version ?? null;
    if (found === null || version === null) {
      throw new Violation('I3', `the stamp at ${object.token} is of no version that ${source.key} ever had`);
    }
    if (!isEqual(object.bytes, version.bytes)) {
      throw new Violation(
        'I3',
        `${show(object.bytes)} at ${object.token} under the stamp of ${version.label}, which is ${show(version.bytes)}`,
      );
    }
    if (digestMetadata(object.metadata) !== version.digest) {
      throw new Violation(
        'I3',
        `the metadata at ${object.token} is not that of ${version.label}, which its stamp names`,
      );
    }
    return version;
  }

  /** Judges a delete that removed `before` (I10). `examined` is the token that the caller had looked at. */
  judgeDelete(source: ObjectLocation, before: TargetSnapshot, examined: TargetToken): void {
    const what = this.label(source, before);
    if (before.token !== examined) throw new Violation('I10', `deleted ${what}, examined was ${examined}`);
    const found = this.stamped(source, before);
    if (found === null || found.stamp.adopted || !this.#ownGenerations.has(before.generation)) {
      throw new Violation('I10', `deleted ${what}, which the service did not write`);
    }
    const record = this.record(source);
    if (found.version !== null && !record.wasAbsentSince(record.first(found.version))) {
      throw new Violation('I10', `deleted ${what}: the source was never absent since this version`);
    }
  }

  /** True where the target shows what the source was at `moment` or later. */
  covers(
    source: ObjectLocation,
    object: TargetSnapshot | null,
    moment: number,
    deletes: 'ignore' | 'mirror',
  ): boolean {
    const record = this.record(source);
    const found = object === null ? null : this.stamped(source, object);
    if (object !== null && found !== null && found.version !== null) {
      if (isEqual(object.bytes, found.version.bytes) && record.last(found.version) >= moment) return true;
    }
    if (!record.wasAbsentSince(moment)) return false;
    return object === null || deletes === 'ignore' || !this.#isOurs(object, found);
  }

  /** I2 for one key at rest; null where it holds. */
  difference(
    source: ObjectLocation,
    object: TargetSnapshot | null,
    deletes: 'ignore' | 'mirror',
  ): string | null {
    const { current } = this.record(source);
    const found = object === null ? null : this.stamped(source, object);
    const what = this.label(source, object);
    if (current === null) {
      const mayStay = object === null || deletes === 'ignore' || !this.#isOurs(object, found);
      return mayStay ? null : `the source is absent, the target is ${what}`;
    }
    const isEqualToSource =
      object !== null &&
      found?.version === current &&
      isEqual(object.bytes, current.bytes) &&
      digestMetadata(object.metadata) === current.digest;
    return isEqualToSource ? null : `the source is ${current.label}, the target is ${what}`;
  }

  #isOurs(object: TargetSnapshot, found: { readonly stamp: Stamp } | null): boolean {
    return found !== null && !found.stamp.adopted && this.#ownGenerations.has(object.generation);
  }
}

function versionOf(record: KeyRecord, now: { state: SourceState; bytes: Uint8Array }): Version {
  const { state, bytes } = now;
  const { digest } = mapMetadata(state.metadata, 'all');
  const known = record.versions.find(
    (other) =>
      other.digest === digest &&
      other.state.etag === state.etag &&
      other.state.versionId === state.versionId &&
      other.state.lastModifiedMs === state.lastModifiedMs,
  );
  if (known !== undefined) return known;
  const version = { label: `v${record.versions.length + 1}`, state, bytes, digest };
  record.versions.push(version);
  return version;
}

function isNamedBy(stamp: Stamp, { state, digest }: Version): boolean {
  return (
    stamp.etag === state.etag &&
    stamp.versionId === state.versionId &&
    stamp.lastModifiedMs === state.lastModifiedMs &&
    stamp.sizeBytes === state.sizeBytes &&
    stamp.metadataDigest === digest
  );
}

function isEqual(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}

/** Bytes as letters, runs counted: `a104`, or `a40b64` for a mixture. */
function show(bytes: Uint8Array): string {
  const text = Buffer.from(bytes).toString('latin1');
  return text === '' ? 'nothing' : text.replaceAll(/(.)\1*/gs, (run) => `${run[0] ?? ''}${run.length}`);
}
