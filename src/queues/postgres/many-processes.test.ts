// Several processes on one database: each is a queue of its own here, with its own connections and nothing shared.
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { openSharedQueue } from '../../../test/contract/open-shared-queue.ts';
import {
  acceptOne,
  claimOne,
  CURRENT,
  itemOf,
  REPLICATED,
  retryIn,
  roomFor,
  show,
} from '../../../test/contract/transfer-queue-samples.ts';
import { startPostgresProxy } from '../../../test/postgres-proxy.ts';
import { onPostgres } from '../../../test/postgres-server.ts';
import type { QueueStorage } from '../../core/queue-storage.ts';
import type { ClaimedTransfer, TransferQueue } from '../../core/transfer-queue.ts';
import { SYSTEM_CLOCK } from '../../system-clock.ts';
import type { PostgresQueueOptions } from './open-postgres-queue.ts';

onPostgres((server) => {
  /** So many queues on one new schema; they are closed after the test. */
  async function openTogether(
    t: TestContext,
    count: number,
    options: Partial<PostgresQueueOptions> = {},
  ): Promise<{ readonly queues: readonly QueueStorage[]; readonly url: string }> {
    const url = await server.newSchema();
    const queues = await Promise.all(Array.from({ length: count }, () => openSharedQueue(url, options)));
    t.after(async () => void (await Promise.all(queues.map((queue) => queue.close()))));
    return { queues, url };
  }

  async function openTwo(
    t: TestContext,
    options: Partial<PostgresQueueOptions> = {},
  ): Promise<[QueueStorage, QueueStorage, string]> {
    const { queues, url } = await openTogether(t, 2, options);
    const [a, b] = queues;
    assert(a !== undefined && b !== undefined);
    return [a, b, url];
  }

  test('twenty processes that start at once on an empty database make one schema', async (t) => {
    const { queues, url } = await openTogether(t, 20);
    const [{ versions } = {}] = await server.run(
      'SELECT count(*)::int AS versions FROM replicator_schema',
      url,
    );
    assert.equal(versions, 1);
    await Promise.all(queues.map((queue, index) => acceptOne(queue, `key-${index}`)));
    for (const queue of queues) assert.equal((await queue.counts()).byStatus.queued, 20);
  });

  test('claims of several processes never overlap, and together they claim everything', async (t) => {
    const { queues } = await openTogether(t, 4);
    const [first] = queues;
    assert(first !== undefined);
    const keys = Array.from({ length: 600 }, (_, index) => `key-${index}`);
    await first.accept({ items: keys.map((key) => itemOf(key)), quarantine: [] });
    const held = new Map<string, ClaimedTransfer>();
    let done = 0;
    const work = async (queue: TransferQueue): Promise<void> => {
      for (;;) {
        const claimed = await queue.claim(roomFor(7));
        if (claimed.length === 0) {
          if (done === keys.length) return;
          continue;
        }
        for (const transfer of claimed) {
          assert(!held.has(transfer.source.key), `${transfer.source.key} is held by somebody`);
          held.set(transfer.source.key, transfer);
        }
        // Some go back, so that others claim them again.
        for (const { lease, source, attemptCount } of claimed) {
          held.delete(source.key);
          if (attemptCount === 0 && source.key.endsWith('3')) await queue.retry(lease, retryIn(0));
          else {
            await queue.finish(lease, REPLICATED);
            done += 1;
          }
        }
      }
    };
    await Promise.all(queues.map(work));
    const { byStatus } = await first.counts();
    assert.deepEqual(byStatus, { queued: 0, copying: 0, settling: 0, parked: 0 });
  });

  test('the first change of an object that reaches several processes at once makes one transfer', async (t) => {
    const { queues } = await openTogether(t, 4);
    const items = Array.from({ length: 40 }, (_, index) => itemOf(`key-${index}`));
    // In other orders, as duplicates come.
    const answers = await Promise.all(
      queues.map((queue, index) =>
        queue.accept({ items: index % 2 === 0 ? items : items.toReversed(), quarantine: [] }),
      ),
    );
    const ids = answers.map((accepted, index) => {
      const inOrder = index % 2 === 0 ? accepted : accepted.toReversed();
      return inOrder.map(({ transferId }) => transferId);
    });
    for (const seen of ids) assert.deepEqual(seen, ids[0]);
    assert.equal(answers.flat().filter(({ joined }) => !joined).length, items.length, 'each is new once');
    assert.equal((await queues[0]?.counts())?.byStatus.queued, items.length);
  });

  test('a delivery that reaches several processes at once is taken once', async (t) => {
    const { queues } = await openTogether(t, 4);
    const request = { items: [itemOf('a')], quarantine: [{ reason: 'no key', raw: '{}' }] };
    const answers = await Promise.all(queues.map((queue) => queue.acceptDelivery('m1', request)));
    assert.equal(answers.filter(({ isRepeat }) => !isRepeat).length, 1);
    assert.equal(new Set(answers.map(({ transfers }) => transfers[0]?.transferId)).size, 1);
    assert.equal((await queues[0]?.counts())?.quarantined, 1);
  });

  test('work that one process takes wakes another, and its end reaches whoever waits there', async (t) => {
    const [a, b] = await openTwo(t);
    const woken = new Promise<void>((resolve) => b.onWork(resolve));
    const { transferId } = await acceptOne(a, 'a');
    await woken;
    const told = Promise.withResolvers<void>();
    a.onChanged((ids) => {
      if (ids.includes(transferId)) told.resolve();
    });
    const { lease } = await claimOne(b);
    await told.promise;
    const ended = Promise.withResolvers<void>();
    a.onChanged((ids) => {
      if (ids.includes(transferId))
        void show(a, transferId).then(({ status }) => status === 'done' && ended.resolve());
    });
    await b.finish(lease, CURRENT);
    await ended.promise;
  });

  test('a process whose listening connection breaks hears again, also of what it missed', async (t) => {
    const url = await server.newSchema();
    const proxy = await startPostgresProxy(url);
    const troubles: string[] = [];
    const [a, b] = await Promise.all([
      openSharedQueue(url),
      openSharedQueue(proxy.through(url), { onTrouble: (trouble) => troubles.push(trouble) }),
    ]);
    t.after(async () => {
      await Promise.all([a.close(), b.close()]);
      await proxy.close();
    });
    const { transferId } = await acceptOne(a, 'a');
    const { lease } = await claimOne(a);
    const told = Promise.withResolvers<void>();
    b.onChanged((ids) => {
      if (ids.includes(transferId)) told.resolve();
    });
    proxy.cutAll(false);
    await a.finish(lease, REPLICATED);
    proxy.cutAll(true);
    await told.promise;
    assert.equal((await show(b, transferId)).status, 'done');
    assert.deepEqual(
      troubles.map((trouble) => trouble.replace(/\(.*\)/, '(why)')),
      [
        'changes of other processes cannot be heard (why): they are looked for every second',
        'changes of other processes are heard again',
      ],
    );
  });

  test('an attempt that runs elsewhere is left alone by a process that starts', async (t) => {
    const [a, , url] = await openTwo(t);
    const { transferId } = await acceptOne(a, 'a');
    const { lease } = await claimOne(a);
    const late = await openSharedQueue(url);
    t.after(() => late.close());
    assert.equal((await show(late, transferId)).status, 'copying');
    assert.deepEqual(await late.claim(roomFor(10)), []);
    assert.deepEqual(await a.finish(lease, REPLICATED), { kind: 'finished', status: 'done' });
  });

  test('what a process held that died comes back when its lease expires, owed', async (t) => {
    const [a, b] = await openTwo(t, { leaseMs: 400 });
    await acceptOne(a, 'a');
    const { lease } = await claimOne(a);
    // The one that is dead never says so.
    const dueMs = await b.untilNextDueMs(roomFor(10));
    assert(dueMs !== null && dueMs > 0 && dueMs <= 400, String(dueMs));
    const takenAgain = await untilClaimed(b);
    assert.deepEqual([takenAgain.lease.transferId, takenAgain.isOwed], [lease.transferId, true]);
    assert(takenAgain.lease.token > lease.token);
    assert.deepEqual(await a.finish(lease, REPLICATED), { kind: 'lease_lost' });
    assert.deepEqual(await b.finish(takenAgain.lease, CURRENT), { kind: 'finished', status: 'settling' });
  });

  test('a lease ends, for its holder, as if it had begun when the claim was sent', async (t) => {
    const url = await server.newSchema();
    const proxy = await startPostgresProxy(url);
    const queue = await openSharedQueue(proxy.through(url), { leaseMs: 60_000 });
    t.after(async () => {
      await queue.close();
      await proxy.close();
    });
    await acceptOne(queue, 'a');
    proxy.delayAnswers(100);
    const beforeMs = SYSTEM_CLOCK.monotonicMs();
    const { lease } = await claimOne(queue);
    const afterMs = SYSTEM_CLOCK.monotonicMs();
    const begunMs = lease.expiresAtMonotonicMs - 60_000;
    // Two answers were waited for after it was sent.
    assert(begunMs >= beforeMs && begunMs <= afterMs - 190, `${beforeMs} ${begunMs} ${afterMs}`);
    const renewed = await queue.renew(lease);
    assert(renewed !== null && renewed.expiresAtMonotonicMs - 60_000 <= SYSTEM_CLOCK.monotonicMs() - 190);
    proxy.delayAnswers(0);
  });

  test('one process leads; another takes the lead over when its connection breaks, or when it closes', async (t) => {
    const { queues } = await openTogether(t, 3);
    assert.equal(queues.filter(({ leadership }) => leadership.isLeader).length, 1);
    const leader = (): QueueStorage | undefined => queues.find(({ leadership }) => leadership.isLeader);
    const first = leader();
    assert(first !== undefined);
    const changes: boolean[] = [];
    first.leadership.onChange((isLeader) => changes.push(isLeader));
    await server.run(
      "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted AND pid <> pg_backend_pid()",
    );
    await until(() => changes.length > 0 && leader() !== undefined);
    assert.equal(changes[0], false);
    const second = leader();
    assert(second !== undefined);
    await second.close();
    assert.equal(second.leadership.isLeader, false);
    await until(() => leader() !== undefined);
    assert.equal(queues.filter(({ leadership }) => leadership.isLeader).length, 1);
  });

  test('two services in two schemas of one database do not meet', async (t) => {
    const one = await openTwo(t);
    const other = await openTwo(t);
    let woken = 0;
    other[0].onWork(() => (woken += 1));
    await acceptOne(one[0], 'a');
    assert.equal((await one[1].counts()).byStatus.queued, 1);
    assert.equal((await other[1].counts()).byStatus.queued, 0);
    assert.equal(
      [...one.slice(0, 2), ...other.slice(0, 2)].filter(
        (queue) => typeof queue !== 'string' && queue.leadership.isLeader,
      ).length,
      2,
    );
    assert.equal(woken, 0);
  });

  async function untilClaimed(queue: TransferQueue): Promise<ClaimedTransfer> {
    for (;;) {
      const [claimed] = await queue.claim(roomFor(1));
      if (claimed !== undefined) return claimed;
      await sleep((await queue.untilNextDueMs(roomFor(1))) ?? 20);
    }
  }

  async function until(isSo: () => boolean): Promise<void> {
    while (!isSo()) await sleep(20);
  }
});
