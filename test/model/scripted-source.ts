// The source of a small world: one key, a script of mutations, each a second after the one before or within the same
// second, and a word to the reference about each.
import type { ObjectLocation } from '../../src/core/object.ts';
import type { Clock } from '../../src/core/clock.ts';
import { MemorySource } from '../../src/stores/memory/memory-source.ts';
import type { Versions } from './versions.ts';

const NEVER = new AbortController().signal;

/** `a` and `b` are contents; `meta` puts the newest content again with other metadata; `undo` removes the newest version. */
export type Mutation = 'put a' | 'put b' | 'meta' | 'delete' | 'undo';

export class ScriptedSource {
  readonly memory: MemorySource;
  readonly #location: ObjectLocation;
  readonly #sizeBytes: number;
  readonly #versions: Versions;
  readonly #note: (text: () => string) => void;
  readonly #contents = new Map<string, Uint8Array>();
  #seconds = 0;
  #script: readonly Mutation[] = [];
  /** What was done, each with its second. */
  #done: string[] = [];
  #content = 'a';
  #metadataCount = 0;

  constructor(options: {
    readonly clock: Clock;
    readonly location: ObjectLocation;
    readonly sizeBytes: number;
    readonly isVersioned: boolean;
    readonly versions: Versions;
    readonly note: (text: () => string) => void;
  }) {
    const { clock, location, sizeBytes, isVersioned, versions, note } = options;
    this.#location = location;
    this.#sizeBytes = sizeBytes;
    this.#versions = versions;
    this.#note = note;
    const ownClock = { ...clock, nowMs: () => this.#seconds * 1_000 };
    this.memory = new MemorySource({ clock: ownClock, buckets: [location.bucket], chunkBytes: 10 });
    if (isVersioned) this.memory.setVersioning(location.bucket, 'enabled');
  }

  /** What is to happen from here on. */
  follow(script: readonly Mutation[]): void {
    this.#script = script;
  }

  /** What may happen next: the same in a new second, and in the second of the one before. */
  get next(): readonly { readonly label: string; readonly run: () => Promise<void> }[] {
    const [mutation] = this.#script;
    if (mutation === undefined) return [];
    const later = { label: mutation as string, run: () => this.#mutate(mutation, 1) };
    if (this.#done.length === 0) return [later];
    return [later, { label: `${mutation}, same second`, run: () => this.#mutate(mutation, 0) }];
  }

  /** Everything that was done, as text. */
  describe(): string {
    return this.#done.join();
  }

  async #mutate(mutation: Mutation, seconds: number): Promise<void> {
    this.#script = this.#script.slice(1);
    this.#seconds += seconds;
    this.#done.push(`${mutation} +${seconds}`);
    if (mutation === 'delete') this.memory.remove(this.#location);
    else if (mutation === 'undo') this.#undo();
    else this.#put(mutation);
    const look = await this.memory.look(this.#location, NEVER);
    const now =
      look.kind === 'absent' ? null : { state: look.state, bytes: this.#contentOf(look.state.etag) };
    const label = this.#versions.observe(this.#location, now);
    this.#note(() => `SOURCE ${mutation}${seconds === 0 ? ', same second' : ''}; now ${label}`);
  }

  #put(mutation: 'put a' | 'put b' | 'meta'): void {
    if (mutation === 'meta') this.#metadataCount += 1;
    else this.#content = mutation === 'put a' ? 'a' : 'b';
    const user = mutation === 'meta' ? { step: String(this.#metadataCount) } : {};
    const bytes = Buffer.alloc(this.#sizeBytes, this.#content);
    const { etag } = this.memory.put(this.#location, bytes, { metadata: { user } });
    this.#contents.set(etag, bytes);
  }

  #undo(): void {
    const [newest] = this.memory.versionIds(this.#location);
    if (newest !== undefined) this.memory.removeVersion(this.#location, newest);
  }

  #contentOf(etag: string): Uint8Array {
    const bytes = this.#contents.get(etag);
    if (bytes === undefined) throw new Error('The source holds bytes that nobody put there');
    return bytes;
  }
}
