// Transactions and reads over a pool of connections, in as few round trips as they need, and again where the connection
// broke or two transactions met. Where the answer to a commit was lost, the server is asked what became of it.
import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import type { Clock } from '../../core/clock.ts';
import { QueueUnavailable } from '../../core/queue-unavailable.ts';
import type { QueueTime, SteadyClock } from '../steady-clock.ts';
import { serverRunOf } from './connect.ts';
import { isConnectionError, isPassingError, isUnknownNumber, reasonOf } from './database-errors.ts';
import { type Columns, integer, textOrNull } from './rows.ts';

/** A statement by its name, under which a connection keeps it prepared. */
export interface Statement {
  readonly name: string;
  readonly text: string;
  readonly values?: readonly unknown[];
}

/** Rows of one statement. */
export type Answer = readonly Columns[];

interface Transaction<Result> {
  /** Locks and reads. */
  readonly reads: readonly Statement[];
  /** True where something is written even if nothing was locked. */
  readonly alwaysWrites: boolean;
  /**
   * True for ends of attempts. Done a second time one looks like a lost lease, and one that was not kept does no harm:
   * the transfer is looked at once more when its lease runs out. All else is done again where nobody knows.
   */
  readonly isEnd?: boolean;
  /** Decides from what was read; must not wait for anything. May be asked several times. */
  readonly decide: (
    answers: readonly Answer[],
    clock: SteadyClock,
  ) => { readonly writes: readonly Statement[]; readonly result: Result };
}

/**
 * How one try ended. `refused`: by `decide`. `unknown`: the commit was sent and nothing heard. `doubtful`: and nobody
 * can tell any more.
 */
type Ended<Result> =
  | { readonly kind: 'committed'; readonly result: Result }
  | { readonly kind: 'failed' | 'refused' | 'doubtful'; readonly error: unknown }
  | Unheard<Result>;

interface Unheard<Result> {
  readonly kind: 'unknown';
  readonly result: Result;
  readonly xid: string;
  /** See serverRunOf. */
  readonly serverRun: string;
  readonly error: unknown;
}

/** Thrown where the database could not be used for as long as somebody waited; says what that means. */
export class DatabaseUnavailable extends QueueUnavailable {
  override readonly name = 'DatabaseUnavailable';

  constructor(message: string, cause: unknown) {
    super(message, { cause });
  }
}

const FIRST_PAUSE_MS = 25;
const LONGEST_PAUSE_MS = 1_000;
/** A plan is kept for this long: the table may have been empty when it was made. */
const PLAN_MS = 5_000;
const NEW_PLANS: Statement = { name: 'new-plans', text: 'DISCARD PLANS' };
const BEGIN: Statement = { name: 'begin', text: 'BEGIN' };
const COMMIT: Statement = { name: 'commit', text: 'COMMIT' };
/** After the locks: what waited for them must not see an old time. */
const MOMENT: Statement = {
  name: 'moment',
  text: 'SELECT replicator_now_ms() AS now_ms, pg_current_xact_id_if_assigned()::text AS xid',
};
const MOMENT_OF_WRITING: Statement = {
  name: 'moment-of-writing',
  text: 'SELECT replicator_now_ms() AS now_ms, pg_current_xact_id()::text AS xid',
};

interface DatabaseOptions {
  readonly pool: pg.Pool;
  /** For messages. */
  readonly shown: string;
  /** Of this process: leases end by its monotonic time, and those who ask how old something is mean its wall time. */
  readonly clock: Clock;
}

export class Database {
  readonly #options: DatabaseOptions;
  readonly #plannedAtMs = new WeakMap<pg.PoolClient, number>();
  readonly #closing = new AbortController();
  #isClosed = false;

  constructor(options: DatabaseOptions) {
    this.#options = options;
  }

  /** The time by the clock of this process, which may be wrong. */
  nowMs(): number {
    return this.#options.clock.nowMs();
  }

  /**
   * Runs a transaction and resolves with its result after the commit. Tries again for `patienceMs` where that is safe,
   * then rejects; also where `decide` throws, and then at once. Nothing was written in either case, unless the message
   * says that nobody knows.
   */
  async transact<Result>(transaction: Transaction<Result>, patienceMs: number): Promise<Result> {
    const untilMs = performance.now() + patienceMs;
    let isInDoubt = false;
    for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)) {
      const ended = await this.#resolved(await this.#once(transaction), transaction, untilMs);
      if (ended.kind === 'committed') return ended.result;
      this.#assertOpen();
      isInDoubt ||= ended.kind === 'unknown' || ended.kind === 'doubtful';
      if (ended.kind === 'refused' || (ended.kind === 'failed' && !isPassingError(ended.error)))
        throw ended.error;
      if (performance.now() + pauseMs > untilMs) throw this.#gaveUp(ended.error, isInDoubt);
      await this.#pause(pauseMs);
    }
  }

  /** The rows of one statement, which may be run twice: asked again where the connection broke. */
  async ask(statement: Statement, patienceMs: number): Promise<Answer> {
    const untilMs = performance.now() + patienceMs;
    for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)) {
      this.#assertOpen();
      try {
        return await this.#askOnce(statement);
      } catch (error) {
        this.#assertOpen();
        if (!isPassingError(error)) throw error;
        if (performance.now() + pauseMs > untilMs)
          throw new DatabaseUnavailable(
            `The queue database ${this.#options.shown} cannot be used: ${reasonOf(error)}`,
            error,
          );
      }
      await this.#pause(pauseMs);
    }
  }

  /** Waits for nothing that is under way any more: whoever still asks is told that the queue is closed. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#closing.abort();
    await this.#options.pool.end();
  }

  async #askOnce(
    statement: Statement,
    onConnected: (client: pg.PoolClient) => void = () => {},
  ): Promise<Answer> {
    const client = await this.#options.pool.connect();
    try {
      onConnected(client);
      const answers = await pipelined(client, [...this.#newPlans(client), statement]);
      client.release();
      return answers.at(-1)?.rows ?? [];
    } catch (error) {
      client.release(isConnectionError(error));
      throw error;
    }
  }

  async #once<Result>({ reads, alwaysWrites, decide }: Transaction<Result>): Promise<Ended<Result>> {
    this.#assertOpen();
    let client: pg.PoolClient;
    let read: {
      readonly answers: readonly Answer[];
      readonly clock: SteadyClock;
      readonly xid: string | null;
    };
    try {
      client = await this.#options.pool.connect();
    } catch (error) {
      return { kind: 'failed', error };
    }
    try {
      const sentMs = this.#options.clock.monotonicMs();
      const moment = alwaysWrites ? MOMENT_OF_WRITING : MOMENT;
      const begin = [...this.#newPlans(client), BEGIN];
      const answers = (await pipelined(client, [...begin, ...reads, moment])).map(({ rows }) => rows);
      const told = answers.at(-1)?.[0] ?? {};
      const clock = clockAt(integer(told, 'now_ms'), sentMs);
      read = { answers: answers.slice(begin.length, -1), clock, xid: textOrNull(told, 'xid') };
    } catch (error) {
      await giveBack(client, !isConnectionError(error));
      return { kind: 'failed', error };
    }
    try {
      const { writes, result } = decide(read.answers, read.clock);
      return await commit(client, writes, { result, xid: read.xid });
    } catch (error) {
      await giveBack(client, true);
      return { kind: 'refused', error };
    }
  }

  /** What has to be said before, where the plans of a connection are old. */
  #newPlans(client: pg.PoolClient): Statement[] {
    const nowMs = performance.now();
    if (nowMs - (this.#plannedAtMs.get(client) ?? Number.NEGATIVE_INFINITY) < PLAN_MS) return [];
    this.#plannedAtMs.set(client, nowMs);
    return [NEW_PLANS];
  }

  /**
   * Asks what became of a commit that nobody answered. Still unknown where time runs out. A server that crashed, or took
   * over, gives the numbers of lost transactions to others: its word counts for its own run only.
   */
  async #resolved<Result>(
    ended: Ended<Result>,
    { isEnd = false }: Transaction<Result>,
    untilMs: number,
  ): Promise<Ended<Result>> {
    if (ended.kind !== 'unknown') return ended;
    const { result, error } = ended;
    for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)) {
      const { status, isSameRun } = await this.#statusOf(ended);
      if (status === 'aborted') return { kind: 'failed', error };
      if (status === 'committed')
        return isSameRun || isEnd ? { kind: 'committed', result } : { kind: 'doubtful', error };
      if (performance.now() + pauseMs > untilMs) return ended;
      await this.#pause(pauseMs);
    }
  }

  async #statusOf({ xid, serverRun }: Unheard<unknown>): Promise<{
    readonly status: 'committed' | 'aborted' | 'not known yet';
    readonly isSameRun: boolean;
  }> {
    const statement = {
      name: 'xact-status',
      text: 'SELECT pg_xact_status($1::xid8) AS status',
      values: [xid],
    };
    let isSameRun = false;
    try {
      const [found = {}] = await this.#askOnce(statement, (client) => {
        isSameRun = serverRunOf(client) === serverRun;
      });
      const status = found['status'];
      const isKnown = status === 'committed' || status === 'aborted';
      return { status: isKnown ? status : 'not known yet', isSameRun };
    } catch (error) {
      this.#assertOpen();
      // A server that never heard of the number took over without the transaction: it is as good as rolled back.
      return { status: isUnknownNumber(error) ? 'aborted' : 'not known yet', isSameRun };
    }
  }

  #gaveUp(error: unknown, isInDoubt: boolean): DatabaseUnavailable {
    const consequence = isInDoubt
      ? 'whether it was taken is not known. To ask for the same again does no harm'
      : 'nothing was taken';
    return new DatabaseUnavailable(
      `The queue database ${this.#options.shown} could not commit (${reasonOf(error)}): ${consequence}`,
      error,
    );
  }

  #assertOpen(): void {
    if (this.#isClosed) throw new Error('The queue is closed');
  }

  async #pause(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: this.#closing.signal }).catch(() => {});
    this.#assertOpen();
  }
}

/** The server's time for due times; the monotonic time of this process, from before it asked, for the end of leases. */
function clockAt(serverMs: number, sentMs: number): SteadyClock {
  const now: QueueTime = { wallMs: serverMs, steadyMs: serverMs };
  return { now: () => now, toMonotonicMs: (steadyMs) => sentMs + steadyMs - serverMs };
}

/** One round trip. Rejects with the first error, when all are answered. */
async function pipelined(
  client: pg.PoolClient,
  statements: readonly Statement[],
): Promise<pg.QueryResult<Columns>[]> {
  const asked = statements.map(async (statement) => client.query<Columns>(toQuery(statement)));
  const answers = await Promise.allSettled(asked);
  return answers.map((answer) => {
    if (answer.status === 'rejected') throw answer.reason;
    return answer.value;
  });
}

function toQuery({ name, text, values = [] }: Statement): pg.QueryConfig {
  return { name: `replicator-${name}`, text, values: [...values] };
}

/** Writes and commits; never rejects. The connection is given back, or closed where it broke. */
async function commit<Result>(
  client: pg.PoolClient,
  writes: readonly Statement[],
  { result, xid }: { readonly result: Result; readonly xid: string | null },
): Promise<Ended<Result>> {
  try {
    const answers = await pipelined(client, [...writes, COMMIT]);
    // A transaction that failed is ended by the same word, with another answer.
    if (answers.at(-1)?.command !== 'COMMIT') throw new Error('The server rolled back');
    client.release();
    return { kind: 'committed', result };
  } catch (error) {
    // A refused statement has turned the commit behind it into the end of a transaction that wrote nothing.
    const isRefused = !isConnectionError(error);
    client.release(!isRefused);
    if (isRefused) return { kind: 'failed', error };
    // Without a number nothing was locked, and nothing was to be written.
    if (xid === null) return { kind: 'committed', result };
    return { kind: 'unknown', result, xid, serverRun: serverRunOf(client), error };
  }
}

/** Ends the transaction and gives the connection back, or closes it where it broke. */
async function giveBack(client: pg.PoolClient, isUsable: boolean): Promise<void> {
  let isBroken = !isUsable;
  if (isUsable)
    await client.query('ROLLBACK').catch(() => {
      isBroken = true;
    });
  client.release(isBroken);
}
