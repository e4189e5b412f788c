// What a new small object costs, counted instead of timed: calls of the stores, statements and commits of the database,
// lines and writes of the log. The bounds are what it takes today and a little room; who raises one says why.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { StatementSync } from 'node:sqlite';
import { type TestContext, test } from 'node:test';
import { openChecksumEngine } from '../src/checksums/native-checksums.ts';
import type { Change } from '../src/core/change.ts';
import { PLAIN_RULE } from '../src/core/testing/samples.ts';
import { gatherLines } from '../src/main/gathered-lines.ts';
import type { QueueStorage } from '../src/core/queue-storage.ts';
import { openSqliteQueue } from '../src/queues/sqlite/sqlite-queue.ts';
import { createIntake } from '../src/replication/accept-change.ts';
import { ByteBudget } from '../src/replication/byte-budget.ts';
import { DeleteBrake } from '../src/replication/delete-brake.ts';
import { Worker } from '../src/replication/worker.ts';
import { MemorySource } from '../src/stores/memory/memory-source.ts';
import { MemoryTarget } from '../src/stores/memory/memory-target.ts';
import { SYSTEM_CLOCK as clock, SYSTEM_RANDOM as random } from '../src/system-clock.ts';
import { createHappenings } from '../src/telemetry/happenings.ts';
import { createJsonLogger } from '../src/telemetry/json-logger.ts';
import { createMetrics } from '../src/telemetry/metrics.ts';
import { withTemporaryFolder } from './contract/temporary-folder.ts';

const OBJECTS = 512;
const IN_FLIGHT = 64;
const LEASE_MS = 30_000;
const CHUNK_BYTES = 8_388_608;

/** Insert, a look for the newest row of the key, two changes of the row, a look at it when its attempt ends. */
const STATEMENTS_PER_OBJECT = 5;
/** A claim: five looks at most, and one for when the next is due; a commit: its begin and end. */
const STATEMENTS_PER_COMMIT = 8;
/** One of the intake and two for every 64 objects that are under way together, and as much again for stragglers. */
const MOST_COMMITS = (OBJECTS / IN_FLIGHT) * 4;

/** `port`, and how often each of its methods was called. */
function counted<Port extends object>(port: Port, calls: Map<string, number>): Port {
  return new Proxy(port, {
    get: (target, name) => {
      const value = Reflect.get(target, name, target) as unknown;
      if (typeof value !== 'function') return value;
      return (...args: unknown[]): unknown => {
        calls.set(String(name), (calls.get(String(name)) ?? 0) + 1);
        return value.apply(target, args) as unknown;
      };
    },
  });
}

function changeOf(index: number): Change {
  return {
    bucket: 'from',
    key: `small/${index}`,
    kind: 'created',
    transport: 's3',
    occurredAtMs: clock.nowMs(),
    sizeBytes: 100,
    versionId: null,
    sequencer: null,
  };
}

/** Executions of prepared statements from now on, in this whole process. */
function countStatements(context: TestContext): { total(): number; commits(): number } {
  const runs = context.mock.method(StatementSync.prototype, 'run');
  const gets = context.mock.method(StatementSync.prototype, 'get');
  const alls = context.mock.method(StatementSync.prototype, 'all');
  const isCommit = (on: unknown): boolean => on instanceof StatementSync && on.sourceSQL === 'COMMIT';
  return {
    total: () => [runs, gets, alls].reduce((sum, { mock }) => sum + mock.callCount(), 0),
    commits: () => runs.mock.calls.filter((call) => isCommit(call.this)).length,
  };
}

/** Takes all changes in one document and copies every object. */
async function copyAll(queue: QueueStorage, write: (line: string) => void): Promise<Map<string, number>> {
  const calls = new Map<string, number>();
  const source = new MemorySource({ clock, buckets: ['from'] });
  const target = new MemoryTarget({ buckets: ['to'] });
  for (let index = 0; index < OBJECTS; index += 1)
    source.put({ bucket: 'from', key: `small/${index}` }, randomBytes(100));
  const logger = createJsonLogger({ level: 'info', write, nowMs: () => clock.nowMs() });
  const told = createHappenings({ logger, metrics: createMetrics({ version: '0', clock }) });
  const ended = Promise.withResolvers<void>();
  let endCount = 0;
  const happenings: typeof told = {
    ...told,
    transferFinished: (event) => {
      told.transferFinished(event);
      endCount += 1;
      if (endCount === OBJECTS) ended.resolve();
    },
    workerTroubled: ({ error }) => ended.reject(error),
  };
  const rules = [PLAIN_RULE];
  const worker = new Worker({
    queue,
    rules,
    clock,
    random,
    happenings,
    stores: {
      source: counted(source, calls),
      target: counted(target, calls),
      checksums: openChecksumEngine(),
      clock,
      byteBudget: new ByteBudget(CHUNK_BYTES),
      deleteBrake: new DeleteBrake({ notes: queue.notes, clock, happenings }),
      chunkBytes: CHUNK_BYTES,
      effectDeadlineMs: 60_000,
    },
    maxConcurrency: IN_FLIGHT,
    maxAttempts: 3,
    backoff: { baseMs: 1000, capMs: 60_000 },
    leaseMs: LEASE_MS,
  });
  const changes = Array.from({ length: OBJECTS }, (_, index) => changeOf(index));
  await createIntake({ rules, queue, happenings })({ changes, ignored: [], malformed: [] });
  worker.start();
  await ended.promise;
  await worker.stop(1_000);
  return calls;
}

test('a new small object costs two calls of the stores, few statements, and shares its commits and writes', async (context) => {
  await withTemporaryFolder(async (directory) => {
    const queue = await openSqliteQueue({
      directory,
      clock,
      leaseMs: LEASE_MS,
      settleGraceMs: 120_000,
      maxRetryDelayMs: 60_000,
      smallMaxBytes: CHUNK_BYTES,
      sealer: null,
    });
    const statements = countStatements(context);
    let lineCount = 0;
    let writeCount = 0;
    const lines = gatherLines(() => void (writeCount += 1));
    const calls = await copyAll(queue, (line) => {
      lineCount += 1;
      lines.write(line);
    });
    lines.flush();
    const commits = statements.commits();
    context.diagnostic(
      `per object: ${statements.total() / OBJECTS} statements, ${commits / OBJECTS} commits, ${writeCount / OBJECTS} writes of the log`,
    );
    assert.deepEqual(Object.fromEntries(calls), { read: OBJECTS, insert: OBJECTS });
    assert.equal(lineCount, 3 * OBJECTS, 'received, started, completed');
    assert.ok(commits <= MOST_COMMITS, `${commits} commits`);
    const mostStatements = STATEMENTS_PER_OBJECT * OBJECTS + STATEMENTS_PER_COMMIT * MOST_COMMITS;
    assert.ok(statements.total() <= mostStatements, `${statements.total()} statements`);
    assert.ok(writeCount <= MOST_COMMITS, `${writeCount} writes of the log`);
    await queue.close();
  });
});
