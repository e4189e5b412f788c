// What the source ever held and what the target ever showed, key by key. Every state of the target is judged at the
// moment it becomes visible: a whole version, never an older one, never the same one twice. At rest both sides are
// compared.
import { hash } from 'node:crypto';
import type { SandboxObject } from '../../sandbox/gcs/sandbox-gcs.ts';

/** User metadata that says which version of its key an object is. */
export const VERSION_FIELD = 'version';

interface Version {
  readonly kind: 'object' | 'deletion';
  /** Of the content; empty for a deletion. */
  readonly digest: string;
  readonly contentType: string;
}

interface KeyHistory {
  /** Place 0 is the state before the first write. The last one may still be on its way to the source. */
  readonly versions: Version[];
  /** The newest version that the source shows for certain. */
  writtenVersion: number;
  /** The newest version that an accepted change announced; 0 where none was accepted. */
  acceptedVersion: number;
  /** The version that the target shows; 0 where it shows none. */
  shownVersion: number;
  shownGeneration: string | null;
}

export type DeletePolicy = 'ignore' | 'mirror';

export class Ledger {
  /** In plain words, one for each violation, the key first. */
  readonly violations: { readonly key: string; readonly what: string }[] = [];
  /** States of objects that the target showed: writes, metadata updates and deletes. */
  readonly targetChanges = { targetWrites: 0, targetMetadataUpdates: 0, targetDeletes: 0 };
  readonly #keys = new Map<string, KeyHistory>();
  readonly #deletes: DeletePolicy;

  constructor(deletes: DeletePolicy) {
    this.#deletes = deletes;
  }

  get keys(): readonly string[] {
    return [...this.#keys.keys()];
  }

  /** Notes what is about to be written and returns its number, which goes into its metadata. */
  notePut(key: string, bytes: Uint8Array, contentType: string): number {
    return this.#note(key, { kind: 'object', digest: digestOf(bytes), contentType });
  }

  noteDelete(key: string): void {
    this.#note(key, { kind: 'deletion', digest: '', contentType: '' });
  }

  /** The source has done what was noted last for this key. */
  noteWritten(key: string): void {
    const history = this.#historyOf(key);
    history.writtenVersion = history.versions.length - 1;
  }

  /** The newest version that the source shows for certain: a change posted now announces it. */
  writtenVersion(key: string): number {
    return this.#historyOf(key).writtenVersion;
  }

  /** True where the source holds an object of this key. */
  isPresent(key: string): boolean {
    return this.#historyOf(key).versions.at(-1)?.kind === 'object';
  }

  /** True where the target shows what the source shows. */
  isCurrent(key: string): boolean {
    const { shownVersion, writtenVersion } = this.#historyOf(key);
    return shownVersion === writtenVersion;
  }

  /** True where an accepted change announced the newest version. */
  isAccepted(key: string): boolean {
    const { acceptedVersion, writtenVersion } = this.#historyOf(key);
    return acceptedVersion === writtenVersion;
  }

  /** A change that was sent when `version` was the newest was answered with 2xx. */
  noteAccepted(key: string, version: number): void {
    const history = this.#historyOf(key);
    history.acceptedVersion = Math.max(history.acceptedVersion, version);
  }

  /** Judges a new state of a target object; null: it was removed. */
  noteTarget(key: string, object: SandboxObject | null): void {
    const history = this.#keys.get(key);
    if (history === undefined) {
      this.#violate(key, 'the target got an object that the source never had');
      return;
    }
    if (object === null) {
      this.targetChanges.targetDeletes += 1;
      const mayGo =
        this.#deletes === 'mirror' &&
        history.versions.some(({ kind }, at) => kind === 'deletion' && at > history.shownVersion);
      if (!mayGo) this.#violate(key, `version ${history.shownVersion} was deleted at the target`);
      history.shownVersion = 0;
      history.shownGeneration = null;
      return;
    }
    const isWrite = object.generation !== history.shownGeneration;
    if (isWrite) this.targetChanges.targetWrites += 1;
    else this.targetChanges.targetMetadataUpdates += 1;
    const shown = Number(object.metadata[VERSION_FIELD]);
    this.#judgeContent(key, history, shown, object);
    if (history.shownVersion !== 0) {
      const what = isWrite ? 'written' : 'updated';
      if (shown === history.shownVersion)
        this.#violate(key, `version ${shown} was ${what} twice: again as generation ${object.generation}`);
      if (shown < history.shownVersion)
        this.#violate(key, `version ${shown} was ${what} over version ${history.shownVersion}`);
    }
    history.shownVersion = shown;
    history.shownGeneration = object.generation;
  }

  /** The generation that the target shows; null where there is none. */
  shownGeneration(key: string): string | null {
    return this.#historyOf(key).shownGeneration;
  }

  /** Compares both sides now that nothing is under way; every difference becomes a violation. */
  compareAtRest(): void {
    for (const [key, history] of this.#keys) {
      const { versions, acceptedVersion, shownVersion } = history;
      const wasDeletedSince = versions.some(
        ({ kind }, version) => kind === 'deletion' && version >= acceptedVersion,
      );
      const isAccepted = acceptedVersion > 0 && versions[acceptedVersion]?.kind === 'object';
      if (isAccepted && !wasDeletedSince && shownVersion < acceptedVersion) {
        const found = shownVersion === 0 ? 'nothing' : `version ${shownVersion}`;
        this.#violate(key, `version ${acceptedVersion} was accepted, the target shows ${found}`);
      }
      const isNewestAccepted = acceptedVersion === versions.length - 1;
      const isGone = versions.at(-1)?.kind === 'deletion';
      if (this.#deletes === 'mirror' && isGone && isNewestAccepted && shownVersion !== 0)
        this.#violate(key, `its deletion was accepted, the target shows version ${shownVersion}`);
    }
  }

  #judgeContent(key: string, history: KeyHistory, shown: number, object: SandboxObject): void {
    const version = history.versions[shown];
    if (version === undefined || version.kind === 'deletion') {
      this.#violate(key, `the target shows a version ${shown}, which never was`);
      return;
    }
    if (digestOf(object.read()) !== version.digest)
      this.#violate(key, `the bytes at the target are not those of version ${shown}`);
    if (object.resource['contentType'] !== version.contentType)
      this.#violate(key, `the content type at the target is not that of version ${shown}`);
  }

  #note(key: string, version: Version): number {
    const { versions } = this.#historyOf(key);
    versions.push(version);
    return versions.length - 1;
  }

  #historyOf(key: string): KeyHistory {
    const found = this.#keys.get(key);
    if (found !== undefined) return found;
    const history: KeyHistory = {
      versions: [{ kind: 'deletion', digest: '', contentType: '' }],
      writtenVersion: 0,
      acceptedVersion: 0,
      shownVersion: 0,
      shownGeneration: null,
    };
    this.#keys.set(key, history);
    return history;
  }

  #violate(key: string, what: string): void {
    this.violations.push({ key, what });
  }
}

function digestOf(bytes: Uint8Array): string {
  return hash('sha256', bytes, 'base64');
}
