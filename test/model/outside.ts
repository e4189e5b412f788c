// What happens to the two stores without the service: objects are put, put again, changed in their metadata, deleted
// and brought back at the source; others write, edit and delete at the target.
import type { ObjectLocation, SourceState } from '../../src/core/object.ts';
import type { MemorySource } from '../../src/stores/memory/memory-source.ts';
import type { MemoryTarget } from '../../src/stores/memory/memory-target.ts';
import type { Scenario } from './scenario.ts';
import type { Scheduler } from './scheduler.ts';
import type { Versions } from './versions.ts';

const NEVER = new AbortController().signal;
/** One size that is sent in one request, one that needs an upload. Equal sizes make mixtures hard to see. */
const SIZES: [number, number] = [24, 101];
const FOREIGN_BYTES = 23;
/** Bytes that nobody put at the source. */
const REWRITTEN = '!'.charCodeAt(0);

interface Content {
  readonly bytes: Uint8Array;
  /** As after a multipart upload: the ETag is no MD5 and the store keeps no checksum of the whole. */
  readonly isMultipart: boolean;
  readonly user: Readonly<Record<string, string>>;
}

/** Writes, changes and deletes source objects at random. */
export class SourceWriter {
  readonly #scheduler: Scheduler;
  readonly #memory: MemorySource;
  readonly #versions: Versions;
  readonly #scenario: Scenario;
  readonly #poisoned = new Set<string>();
  /** What each key held, the newest first. */
  readonly #history = new Map<string, Content[]>();
  readonly #contents = new Map<string, Uint8Array>();
  #count = 0;

  constructor(options: {
    readonly scheduler: Scheduler;
    readonly memory: MemorySource;
    readonly versions: Versions;
    readonly scenario: Scenario;
  }) {
    this.#scheduler = options.scheduler;
    this.#memory = options.memory;
    this.#versions = options.versions;
    this.#scenario = options.scenario;
  }

  isPoisoned(etag: string): boolean {
    return this.#poisoned.has(etag);
  }

  /**
   * One mutation. `overwrite`: other bytes of the same kind and size; `undo`: the newest version goes, where the bucket
   * has versions. Returns the size of what is there now; null where nothing is.
   */
  async mutate(location: ObjectLocation, kind: 'any' | 'overwrite' | 'undo'): Promise<number | null> {
    const isPresent = (await this.#current(location)) !== null;
    const [newest] = this.#memory.versionIds(location);
    const what =
      kind === 'undo' && newest !== undefined && this.#scenario.isVersioned
        ? this.#undo(location, newest, isPresent)
        : kind === 'overwrite'
          ? this.#overwrite(location)
          : this.#change(location, isPresent);
    const current = await this.#current(location);
    const label = this.#versions.observe(location, current);
    this.#scheduler.note(() => `SOURCE ${location.key}: ${what}; now ${label}`);
    return current?.state.sizeBytes ?? null;
  }

  async #current(location: ObjectLocation): Promise<{ state: SourceState; bytes: Uint8Array } | null> {
    const look = await this.#memory.look(location, NEVER);
    if (look.kind === 'absent') return null;
    const bytes = this.#contents.get(look.state.etag);
    if (bytes === undefined) throw new Error('The source holds bytes that nobody put there');
    return { state: look.state, bytes };
  }

  #change(location: ObjectLocation, isPresent: boolean): string {
    const choices = this.#scheduler.choices.part('source');
    const earlier = this.#history.get(location.key) ?? [];
    // Mostly the newest content comes again, sometimes one from before it.
    const last = earlier[earlier.length > 1 ? choices.weighted([2, 1]) : 0] ?? null;
    const [fresh = 0, removed = 0, again = 0, metadata = 0, version = 0] = this.#scenario.mutationWeights;
    const [newest] = this.#memory.versionIds(location);
    const kind =
      last === null
        ? 'new'
        : (['new', 'remove', 'again', 'metadata', 'version'] as const)[
            choices.weighted([
              fresh,
              isPresent ? removed : 0,
              again,
              metadata,
              this.#scenario.isVersioned ? version : 0,
            ])
          ];
    if (kind === 'remove') {
      this.#memory.remove(location);
      return 'deleted';
    }
    if (kind === 'version' && newest !== undefined) return this.#undo(location, newest, isPresent);
    if (kind === 'again' && last !== null) {
      this.#put(location, last);
      return 'bytes from before again';
    }
    if (kind === 'metadata' && last !== null) {
      this.#put(location, { ...last, user: { step: String(choices.pick(3)) } });
      return 'bytes from before with other metadata';
    }
    this.#put(location, this.#newContent());
    return `${this.#poisoned.size > 0 ? 'maybe unreadable, ' : ''}new bytes`;
  }

  #undo(location: ObjectLocation, versionId: string, isPresent: boolean): string {
    this.#memory.removeVersion(location, versionId);
    return isPresent ? 'the newest version removed' : 'the delete marker removed';
  }

  #overwrite(location: ObjectLocation): string {
    const fresh = this.#newContent();
    const [last = fresh] = this.#history.get(location.key) ?? [];
    const lengthBytes = this.#extraBytes() === 0 ? last.bytes.length : fresh.bytes.length;
    const bytes = Buffer.alloc(lengthBytes, fresh.bytes[0]);
    this.#put(location, { ...last, bytes });
    return 'new bytes of the same size';
  }

  #newContent(): Content {
    const choices = this.#scheduler.choices.part('source');
    const [, large] = SIZES;
    this.#count += 1;
    return {
      bytes: Buffer.alloc(
        (this.#scenario.isAboutUploads ? large : choices.oneOf(SIZES)) + this.#extraBytes(),
        96 + this.#count,
      ),
      isMultipart: choices.weighted([1, 1]) === 1,
      user: {},
    };
  }

  /** Makes each content another size where a size has to tell them apart. */
  #extraBytes(): number {
    return this.#scenario.adopt === 'size' ? this.#count : 0;
  }

  #put(location: ObjectLocation, content: Content): void {
    const { bytes, isMultipart, user } = content;
    const plain = this.#memory.put(location, bytes, {
      metadata: { user },
      ...(isMultipart
        ? { etag: `${Buffer.from(bytes.subarray(0, 2)).toString('hex')}${bytes.length}-2`, checksum: null }
        : {}),
    });
    const isKnown = this.#contents.has(plain.etag);
    this.#contents.set(plain.etag, bytes);
    const earlier = this.#history.get(location.key) ?? [];
    this.#history.set(location.key, [content, ...earlier.filter((other) => other.bytes !== bytes)]);
    if (!isKnown && this.#scheduler.choices.part('source').chance(this.#scenario.poisonPermille))
      this.#poisoned.add(plain.etag);
  }
}

/** Does something to a target object that the service knows nothing of. Returns what, for the history. */
export async function meddle(
  scheduler: Scheduler,
  memory: MemoryTarget,
  location: ObjectLocation,
): Promise<string> {
  const look = await memory.look(location, NEVER);
  const bytes = memory.bytesOf(location);
  const kind = scheduler.choices.part('meddling').pick(4);
  if (look.kind === 'absent' || bytes === null || kind === 0) {
    memory.foreignWrite(location, Buffer.alloc(FOREIGN_BYTES, '#'));
    return 'somebody writes other bytes';
  }
  if (kind === 1) {
    memory.foreignRemove(location);
    return 'somebody deletes it';
  }
  // Bytes of somebody else must not lose the stamp that tells so: where equal sizes are enough they would be adopted.
  if (kind === 2 || bytes[0] === REWRITTEN) {
    memory.foreignWrite(location, Buffer.alloc(bytes.length, REWRITTEN), look.object.metadata);
    return 'somebody rewrites the bytes and keeps the metadata';
  }
  memory.foreignWrite(location, bytes);
  return 'somebody writes the same bytes without our stamp';
}
