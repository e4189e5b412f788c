// Connections to the database: how an address is read, and what a session must be like before it is used. A server
// that would not keep what it acknowledges, or must not be written, is refused in words.
import pg from 'pg';
import { reasonOf, ServerRefused, sqlStateOf } from './database-errors.ts';

const CONNECT_TIMEOUT_MS = 5_000;
/**
 * A process that stands still in the middle of a transaction is cut off first; who waits for its rows gives up later;
 * then the server gives up any statement; and last, nobody waits for an answer any more.
 */
const IDLE_IN_TRANSACTION_MS = 5_000;
const LOCK_TIMEOUT_MS = 6_000;
const STATEMENT_TIMEOUT_MS = 8_000;
const ANSWER_TIMEOUT_MS = 10_000;
const IDLE_MS = 60_000;
/** Older servers do not tell whether a transaction was committed after its connection broke. */
const OLDEST_VERSION = 140_000;

/**
 * Plans must not depend on statistics: those of a table that was empty a moment ago would have a long queue walked
 * through. Each statement has an index that fits it, and nothing but nested loops over a few rows to do. A transaction
 * that stands still, with its process, lets go of its rows after seconds.
 */
const SESSION_SETTINGS = `
  SET jit = off; SET enable_seqscan = off; SET enable_bitmapscan = off; SET enable_hashjoin = off;
  SET enable_mergejoin = off; SET plan_cache_mode = force_generic_plan; SET default_transaction_isolation = 'read committed';
  SET statement_timeout = ${STATEMENT_TIMEOUT_MS}; SET lock_timeout = ${LOCK_TIMEOUT_MS};
  SET idle_in_transaction_session_timeout = ${IDLE_IN_TRANSACTION_MS};
  SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3`;

const SERVER_FACTS = `SELECT pg_is_in_recovery() AS is_standby, current_setting('transaction_read_only') AS read_only,
  current_setting('fsync') AS fsync, current_setting('synchronous_commit') AS synchronous_commit,
  current_setting('server_encoding') AS encoding, current_setting('server_version_num')::int AS version_number,
  current_setting('server_version') AS version, current_schema() AS schema,
  concat(pg_postmaster_start_time(), ' ', pg_stat_get_bgwriter_stat_reset_time()) AS run`;

/** By session: the run of the server that it belongs to. */
const RUNS = new WeakMap<pg.ClientBase, string>();

export interface DatabaseAddress {
  readonly client: pg.ClientConfig;
  /** Host, port and database, for messages: never user and password. */
  readonly shown: string;
}

/**
 * Reads an address. `sslmode` means what it means to PostgreSQL's own tools, see docs/operations.md. Throws an Error
 * without the address where it cannot be read, or names a certificate that cannot.
 */
export function readDatabaseUrl(url: string): DatabaseAddress {
  const parsed = URL.parse(url);
  if (parsed === null)
    throw new Error('DATABASE_URL is not an address that can be read. Write it as postgres://...');
  // `pg` alone reads `require` as a full check of the certificate, which no provider means who hands such an address out.
  const isOwnWord = parsed.searchParams.get('sslmode') === 'no-verify';
  if (parsed.searchParams.has('sslmode') && !isOwnWord && !parsed.searchParams.has('uselibpqcompat'))
    parsed.searchParams.set('uselibpqcompat', 'true');
  const host = parsed.searchParams.get('host') ?? parsed.host;
  return {
    client: {
      connectionString: readable(parsed.href),
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      query_timeout: ANSWER_TIMEOUT_MS,
      keepAlive: true,
      keepAliveInitialDelayMillis: 10_000,
      pipeline: true,
      fallback_application_name: 'cross-cloud-replicator',
      types: {
        // Every whole number that we keep fits a double.
        getTypeParser: (oid, format) =>
          oid === pg.types.builtins.INT8 ? Number : pg.types.getTypeParser(oid, format),
      },
    },
    shown: `${decodeURIComponent(host)}${parsed.pathname}`,
  };
}

/** The address as it is, where everything that it names can be read: `pg` reads certificates when it makes a client. */
function readable(connectionString: string): string {
  try {
    // Nothing is connected yet: it is made for what it throws.
    new pg.Client({ connectionString }).removeAllListeners();
    return connectionString;
  } catch (error) {
    throw new Error(`DATABASE_URL cannot be used: ${reasonOf(error)}. Correct its parameters`, {
      cause: error,
    });
  }
}

/** A pool whose connections are all ready for use. Errors of idle connections are none: they are replaced. */
export function openPool({ client }: DatabaseAddress, connections: number): pg.Pool {
  const pool = new pg.Pool({
    ...client,
    max: connections,
    idleTimeoutMillis: IDLE_MS,
    // The pool waits for the promise, which its types do not know.
    onConnect: (connected): unknown => prepareSession(connected),
  });
  pool.on('error', () => {});
  // A connection that breaks while it is used fails the queries on it; the event says nothing more.
  pool.on('connect', (connected) => void connected.on('error', () => {}));
  return pool;
}

/**
 * A connection of its own, ready for use. The caller ends it. Rejects where it cannot be had. `answerTimeoutMs`: how long
 * an answer is waited for; 0 for as long as it takes.
 */
export async function openSession(
  { client }: DatabaseAddress,
  answerTimeoutMs = ANSWER_TIMEOUT_MS,
): Promise<pg.Client> {
  const session = new pg.Client({ ...client, query_timeout: answerTimeoutMs });
  session.on('error', () => {});
  try {
    await session.connect();
    await prepareSession(session);
    return session;
  } catch (error) {
    void session.end().catch(() => {});
    throw error;
  }
}

/**
 * The run of the server behind a session that was made here. Sessions of one run are of one server that has not crashed
 * in between: all of it stood in memory the whole time, and no number of a transaction was given twice.
 */
export function serverRunOf(session: pg.ClientBase): string {
  const run = RUNS.get(session);
  if (run === undefined) throw new Error('A session was used before it was ready');
  return run;
}

/** Refuses a server that must not be used, and settles how the session works. */
async function prepareSession(session: pg.ClientBase): Promise<void> {
  const answer = await session.query<ServerFacts>(SERVER_FACTS);
  const [facts] = answer.rows;
  if (facts === undefined) throw new Error('The server told nothing about itself');
  checkServer(facts);
  RUNS.set(session, facts.run);
  // Acknowledged means kept. `local` and `remote_write` are an operator's own choice about standbys.
  const isAsynchronous = facts.synchronous_commit === 'off';
  await session.query(isAsynchronous ? `SET synchronous_commit = on; ${SESSION_SETTINGS}` : SESSION_SETTINGS);
}

interface ServerFacts {
  readonly is_standby: boolean;
  readonly read_only: string;
  readonly fsync: string;
  readonly synchronous_commit: string;
  readonly encoding: string;
  readonly version_number: number;
  readonly version: string;
  readonly schema: string | null;
  /** When the server was started, and when it last threw its statistics away, which it does after a crash. */
  readonly run: string;
}

function checkServer(facts: ServerFacts): void {
  if (facts.is_standby || facts.read_only === 'on')
    throw new ServerRefused(
      'the server is a standby, or may only be read. Point DATABASE_URL at the one that takes writes',
      true,
    );
  if (facts.version_number < OLDEST_VERSION)
    throw new ServerRefused(`the server has version ${facts.version}. Use PostgreSQL 14 or newer`, false);
  if (facts.fsync !== 'on')
    throw new ServerRefused(
      'fsync is off: an accepted change could be lost in a power cut. Set fsync = on in the configuration of the server',
      false,
    );
  if (facts.encoding !== 'UTF8')
    throw new ServerRefused(
      `the database keeps text as ${facts.encoding}. Make one with ENCODING 'UTF8'`,
      false,
    );
  if (facts.schema === null)
    throw new ServerRefused(
      'no schema of the search path exists, or may be used. Create one, or set search_path for the user',
      false,
    );
}

/** The error of a database that cannot be opened: names the database, the reason and the remedy. */
export function cannotBeUsed(shown: string, cause: unknown): Error {
  return new Error(`The queue database ${shown} cannot be used: ${explain(cause)}`, { cause });
}

function explain(error: unknown): string {
  const reason = reasonOf(error);
  switch (sqlStateOf(error) ?? '') {
    case '28P01':
    case '28000':
      return `${reason}. Check user, password and database in DATABASE_URL, and pg_hba.conf of the server`;
    case '3D000':
      return `${reason}. Create the database, or correct DATABASE_URL`;
    case '42501':
      return `${reason}. Grant what docs/operations.md lists, or let the owner of the schema start the service once`;
    case '53300':
      return `${reason}. Raise max_connections of the server, or run fewer processes`;
    default:
      return error instanceof ServerRefused || sqlStateOf(error) !== null || !isNetworkError(error)
        ? reason
        : `${reason}. Check host, port and network, and whether the server runs`;
  }
}

function isNetworkError(error: unknown): boolean {
  return error instanceof AggregateError || (error instanceof Error && 'syscall' in error);
}
