// Opens the database file so that an accepted change is on the disk before it is answered, and refuses to run where
// that cannot be had: another process owns the file, it is damaged, it cannot be written, or a setting did not take.
import {
  chmodSync,
  closeSync,
  existsSync,
  fdatasync,
  fdatasyncSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  realpathSync,
  statSync,
} from 'node:fs';
import { dirname, resolve } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { migrate } from './migrate.ts';

const MIGRATIONS = fileURLToPath(new URL('../../../migrations/sqlite/', import.meta.url));

/** How long to wait for a process that is just ending to let go of the file. */
const BUSY_TIMEOUT_MS = 500;

/** Primary result codes of SQLite that have a remedy of their own. */
const ERROR = 1;
const BUSY = 5;
const LOCKED = 6;
const READ_ONLY = 8;
const IO_ERROR = 10;
const CORRUPT = 11;
const FULL = 13;
const CANNOT_OPEN = 14;
const NOT_A_DATABASE = 26;

const FILE_CHECK_MS = 1_000;

const syncData = promisify(fdatasync);

/**
 * Makes the data folder, readable by its owner only. An existing folder is narrowed to that only where nothing but the
 * queue lies in it: it may be somebody's home. The files themselves are private anyway.
 */
export function prepareDataFolder(directory: string): void {
  try {
    const firstMade = makeFolders(directory);
    if (firstMade !== undefined) syncNames(dirname(resolve(firstMade)), dirname(resolve(directory)));
    const isOurs = readdirSync(directory).every((name) => name.startsWith('queue.sqlite'));
    if (isOurs) chmodSync(directory, 0o700);
  } catch (error) {
    throw new Error(
      `The data folder ${directory} cannot be made or cannot be kept private: ${reasonOf(error)}. ` +
        'Check that the folder belongs to the user of the service and that its file system can be written',
      { cause: error },
    );
  }
}

/**
 * Makes a folder and those above it, level by level: the recursive call of Node never ends on a file system that answers
 * ENOENT to every new name, as /proc does. Answers the first folder that was made; undefined where all were there.
 */
function makeFolders(directory: string): string | undefined {
  const missing: string[] = [];
  for (let folder = resolve(directory); !existsSync(folder); folder = dirname(folder)) missing.push(folder);
  for (const folder of missing.toReversed()) {
    try {
      mkdirSync(folder, { mode: 0o700 });
    } catch (error) {
      // Somebody else makes it at the same moment.
      if (codeOf(error) !== 'EEXIST') throw error;
    }
  }
  return missing.at(-1);
}

/**
 * Syncs the folders from `top` down to `bottom`: a folder that was made in one of them is there after a power cut only
 * then. Windows has no such call, and keeps names by itself.
 */
function syncNames(top: string, bottom: string): void {
  if (process.platform === 'win32') return;
  for (let folder = bottom; ; folder = dirname(folder)) {
    const handle = openSync(folder, 'r');
    try {
      fsyncSync(handle);
    } finally {
      closeSync(handle);
    }
    if (folder === top || folder === dirname(folder)) return;
  }
}

/** An exclusive, durable connection with the newest schema. Throws an Error that names the file and the remedy. */
export function openDatabase(path: string): DatabaseSync {
  let database: DatabaseSync | null = null;
  try {
    createPrivateFile(path);
    database = new DatabaseSync(path, { timeout: BUSY_TIMEOUT_MS });
    configure(database);
    checkIntegrity(database);
    migrate(database, MIGRATIONS);
    return database;
  } catch (error) {
    database?.close();
    throw cannotBeUsed(path, error);
  }
}

/** The error of a database that cannot be opened or taken over: names the file, the reason and the remedy. */
export function cannotBeUsed(path: string, cause: unknown): Error {
  return new Error(`The queue database ${path} cannot be used: ${explain(cause)}`, { cause });
}

/**
 * A check that the file at `path` still is the one that was opened, made at most once a second: an open file can be
 * deleted or replaced, and what is written to it is then gone with the process.
 */
export function fileGuard(path: string): () => void {
  const opened = statSync(path);
  let checkedMs = performance.now();
  let problem: string | null = null;
  return () => {
    if (performance.now() - checkedMs >= FILE_CHECK_MS) {
      checkedMs = performance.now();
      const now = statSync(path, { throwIfNoEntry: false });
      const isSame = now !== undefined && now.ino === opened.ino && now.dev === opened.dev;
      problem = isSame
        ? null
        : 'the file was deleted or replaced while the service runs: restart the service';
    }
    if (problem !== null) throw new Error(problem);
  };
}

/** The log that commits are written to, as a file of its own, to be synced beside the database's own use of it. */
export interface DatabaseLog {
  /** Resolves when every commit before the call is on the disk. */
  readonly sync: () => Promise<void>;
  readonly close: () => void;
}

/**
 * Takes the syncs of commits over from SQLite, which would hold the process for each of them. SQLite itself then syncs
 * only around a checkpoint: the log before its pages are copied, the file after that, and the log's new start
 * (https://www.sqlite.org/pragma.html#pragma_synchronous). Nobody may be told of a commit before `sync` has resolved.
 */
export function takeOverSyncs(database: DatabaseSync, path: string): DatabaseLog {
  database.exec('PRAGMA synchronous = NORMAL');
  requirePragma(database, 'synchronous', 1);
  // SQLite puts the log beside the file that a link leads to. It stays this very file for as long as the database is open:
  // it is begun anew and shortened, never replaced. It carries no locks, unlike the database, of which no second handle may
  // be closed.
  const handle = openSync(`${realpathSync(path)}-wal`, 'r+');
  // What a process has written that was killed before its sync.
  fdatasyncSync(handle);
  return {
    sync: () => syncData(handle),
    close: () => closeSync(handle),
  };
}

/** The file is made before SQLite makes it, so that it is private from its first moment; -wal takes its mode. */
function createPrivateFile(path: string): void {
  makeFolders(dirname(path));
  try {
    // Only ever a new file: closing a second handle of an open database would drop the locks of this process.
    closeSync(openSync(path, 'wx', 0o600));
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error;
  }
}

/** Takes the lock and makes commits durable. Throws where a setting that this rests on did not take. */
export function configure(database: DatabaseSync): void {
  // Before the first access: the lock is then taken once, and held until the process ends, also by kill -9.
  database.exec('PRAGMA locking_mode = EXCLUSIVE');
  database.exec('PRAGMA journal_mode = WAL');
  database.exec('PRAGMA synchronous = FULL');
  database.exec('PRAGMA trusted_schema = OFF');
  database.exec('PRAGMA cell_size_check = ON');
  // 8 MB of pages: more holds more memory once the queue is long, and saves nothing.
  database.exec('PRAGMA cache_size = -8192');
  // What an operation may have to undo is kept in memory: in a file it would cost more writes than the commit.
  database.exec('PRAGMA temp_store = MEMORY');
  database.exec('PRAGMA journal_size_limit = 67108864');
  // 32 MB of log before it is folded into the file: a long queue dirties other pages with each change, and folding them
  // often would make its claims slower than those of a short one.
  database.exec('PRAGMA wal_autocheckpoint = 8000');
  // A write takes the lock for certain, where a read might be content with less.
  database.exec('BEGIN IMMEDIATE; COMMIT');
  requirePragma(database, 'locking_mode', 'exclusive');
  requirePragma(database, 'journal_mode', 'wal');
  requirePragma(database, 'synchronous', 2);
}

function requirePragma(database: DatabaseSync, name: string, wanted: string | number): void {
  const found = database.prepare(`PRAGMA ${name}`).get()?.[name];
  if (found !== wanted) {
    throw new Error(
      `${name} is ${String(found)} and must be ${wanted}, or an accepted change could be lost in a power cut. ` +
        'Put the file on a local disk',
    );
  }
}

function checkIntegrity(database: DatabaseSync): void {
  const found = database.prepare('PRAGMA quick_check(1)').get()?.['quick_check'];
  if (found !== 'ok') throw new Error(damaged(String(found)));
}

function damaged(detail: string): string {
  return (
    `it is damaged (${detail}). Restore it from a backup; or move it away together with its -wal file, start ` +
    'with an empty queue, and ask for every object that was written since the last good day once more ' +
    '(POST /v1/replicate): what is current already is only looked at'
  );
}

function explain(error: unknown): string {
  const reason = reasonOf(error);
  switch (primaryCodeOf(error)) {
    case BUSY:
    case LOCKED:
      return (
        'another process is using it. One process owns the file: stop the other one, or give this one ' +
        'a folder of its own (REPLICATOR_DATA_DIR)'
      );
    // Our own statements are right: what they meet is a header or a version number that is not what we wrote.
    case ERROR:
    case CORRUPT:
    case NOT_A_DATABASE:
      return damaged(reason);
    case FULL:
      return `${reason}. Free some space on its disk`;
    case READ_ONLY:
    case CANNOT_OPEN:
    case IO_ERROR:
      return notWritable(reason);
    default:
      return isFileSystemError(error) ? notWritable(reason) : reason;
  }
}

function notWritable(reason: string): string {
  return (
    `it cannot be read or written (${reason}). Check that its folder exists, belongs to the user of the ` +
    'service, and lies on a healthy disk that can be written'
  );
}

/** The primary result code of an error of SQLite; 0 for any other error. */
function primaryCodeOf(error: unknown): number {
  if (!(error instanceof Error) || !('errcode' in error) || typeof error.errcode !== 'number') return 0;
  return error.errcode & 0xff;
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : null;
}

function isFileSystemError(error: unknown): boolean {
  return error instanceof Error && 'syscall' in error;
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
