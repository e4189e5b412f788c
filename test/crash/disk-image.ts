// A folder as a power cut would leave it, rebuilt from the system calls that wrote to it. Only what was synced is
// certain: the bytes of a file by a sync of the file, its name (or that it is gone) by a sync of the folder.
import { basename, dirname } from 'node:path';
import type { SystemCall } from './system-calls.ts';

/** A disk sector: a write that is under way when the power goes may be torn there. */
const SECTOR_BYTES = 512;

type Change =
  | { readonly kind: 'write'; readonly offset: number; readonly bytes: Buffer }
  | { readonly kind: 'truncate'; readonly lengthBytes: number };

interface FileImage {
  /** As the last sync of the file left it. */
  synced: Buffer;
  unsynced: Change[];
  exists: boolean;
  /** Whether it is there according to the last sync of the folder. */
  existsSynced: boolean;
}

/** Whether something that was not synced has reached the disk all the same. */
export type Luck = () => boolean;

export class DiskImage {
  readonly #folder: string;
  readonly #files = new Map<string, FileImage>();

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Takes the next call of the trace; calls that concern other files change nothing. Throws for one it cannot model. */
  apply(call: SystemCall): void {
    if (call.target === this.#folder) {
      if (isSync(call)) for (const file of this.#files.values()) file.existsSynced = file.exists;
      return;
    }
    if (call.name === 'openat' || call.name.startsWith('unlink') || call.name === 'rename') {
      this.#applyToName(call);
      return;
    }
    if (dirname(call.target) !== this.#folder) return;
    const file = this.#file(basename(call.target));
    if (isSync(call)) {
      file.synced = applied(file.synced, file.unsynced);
      file.unsynced = [];
    } else if (call.name === 'pwrite64') {
      file.unsynced.push({ kind: 'write', offset: lastNumber(call), bytes: writtenBytes(call) });
    } else if (call.name === 'ftruncate') {
      file.unsynced.push({ kind: 'truncate', lengthBytes: lastNumber(call) });
    } else throw new Error(`No model of ${call.name} on ${call.target}`);
  }

  /** The files after a power cut now. With a luck that is always false, exactly what was synced. */
  afterPowerCut(luck: Luck): Map<string, Buffer> {
    const left = new Map<string, Buffer>();
    for (const [name, file] of this.#files) {
      const isThere = file.exists === file.existsSynced || luck() ? file.exists : file.existsSynced;
      if (!isThere) continue;
      const reached = file.unsynced.filter(() => luck()).map((change) => (luck() ? change : torn(change)));
      left.set(name, applied(file.synced, reached));
    }
    return left;
  }

  #applyToName(call: SystemCall): void {
    const path = call.strings[0]?.toString() ?? '';
    if (dirname(path) !== this.#folder) return;
    if (call.name === 'rename') throw new Error(`No model of a rename of ${path}`);
    if (call.name !== 'openat') this.#file(basename(path)).exists = false;
    else if (call.args.includes('O_TRUNC') && !call.args.includes('O_EXCL'))
      throw new Error(`No model of an open that empties ${path}`);
    else if (call.args.includes('O_CREAT')) this.#create(basename(path));
  }

  #create(name: string): void {
    const file = this.#file(name);
    if (file.exists) return;
    // A name that is used again: the old bytes may be there still, where its removal was not synced.
    file.unsynced.push({ kind: 'truncate', lengthBytes: 0 });
    file.exists = true;
  }

  #file(name: string): FileImage {
    const found = this.#files.get(name);
    if (found !== undefined) return found;
    const file = { synced: Buffer.alloc(0), unsynced: [], exists: false, existsSynced: false };
    this.#files.set(name, file);
    return file;
  }
}

export function isSync({ name }: SystemCall): boolean {
  return name === 'fsync' || name === 'fdatasync';
}

function writtenBytes(call: SystemCall): Buffer {
  return (call.strings[0] ?? Buffer.alloc(0)).subarray(0, call.result);
}

function lastNumber({ name, args }: SystemCall): number {
  const digits = /(\d+)$/.exec(args)?.[1];
  if (digits === undefined) throw new Error(`A ${name} ends without a number`);
  return Number(digits);
}

function torn(change: Change): Change {
  if (change.kind === 'truncate') return change;
  return { ...change, bytes: change.bytes.subarray(0, SECTOR_BYTES) };
}

function applied(before: Buffer, changes: readonly Change[]): Buffer {
  let length = before.length;
  let longest = before.length;
  for (const change of changes) {
    length =
      change.kind === 'truncate' ? change.lengthBytes : Math.max(length, change.offset + change.bytes.length);
    longest = Math.max(longest, length);
  }
  const after = Buffer.alloc(longest);
  before.copy(after);
  for (const change of changes) {
    if (change.kind === 'truncate') after.fill(0, change.lengthBytes);
    else change.bytes.copy(after, change.offset);
  }
  return after.subarray(0, length);
}
