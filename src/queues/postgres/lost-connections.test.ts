// What becomes of operations when the connection breaks, the server restarts, or another one takes over: every one of
// them happens once, or is refused in words; none is lost.
import assert from 'node:assert/strict';
import { after, before, describe, test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { openSharedQueue } from '../../../test/contract/open-shared-queue.ts';
import {
  acceptOne,
  claimOne,
  itemOf,
  REPLICATED,
  retryIn,
  roomFor,
  show,
} from '../../../test/contract/transfer-queue-samples.ts';
import { type PostgresProxy, startPostgresProxy } from '../../../test/postgres-proxy.ts';
import { onPostgres } from '../../../test/postgres-server.ts';
import type { QueueStorage } from '../../core/queue-storage.ts';
import { QueueUnavailable } from '../../core/queue-unavailable.ts';
import { type DatabaseAddress, openSession, readDatabaseUrl, serverRunOf } from './connect.ts';

onPostgres((server) => {
  let proxy: PostgresProxy;
  before(async () => {
    proxy = await startPostgresProxy(server.url);
  });
  after(() => proxy.close());

  async function openThroughProxy(
    t: TestContext,
    troubles: string[] = [],
  ): Promise<{ queue: QueueStorage; url: string }> {
    const url = await server.newSchema();
    const queue = await openSharedQueue(proxy.through(url), {
      onTrouble: (trouble) => troubles.push(trouble),
    });
    t.after(() => queue.close());
    return { queue, url };
  }

  describe('a commit whose connection breaks', () => {
    for (const what of ['request', 'answer'] as const) {
      test(`happens once where the ${what} is lost: accept`, async (t) => {
        const { queue } = await openThroughProxy(t);
        const lost = proxy.lostCommits;
        proxy.loseNextCommit(what);
        const accepted = await queue.accept({
          items: [itemOf('a'), itemOf('b')],
          quarantine: [{ reason: 'no key', raw: '{}' }],
        });
        assert.equal(proxy.lostCommits, lost + 1);
        assert.deepEqual(
          accepted.map(({ joined }) => joined),
          [false, false],
        );
        const { byStatus, quarantined } = await queue.counts();
        assert.deepEqual([byStatus.queued, quarantined], [2, 1]);
      });

      test(`happens once where the ${what} is lost: claim, and its lease holds`, async (t) => {
        const { queue } = await openThroughProxy(t);
        await acceptOne(queue, 'a');
        proxy.loseNextCommit(what);
        const { lease } = await claimOne(queue);
        assert.deepEqual(await queue.claim(roomFor(10)), []);
        assert.deepEqual(await queue.finish(lease, REPLICATED), { kind: 'finished', status: 'done' });
      });

      test(`happens once where the ${what} is lost: finish`, async (t) => {
        const { queue } = await openThroughProxy(t);
        const { transferId } = await acceptOne(queue, 'a');
        const { lease } = await claimOne(queue);
        proxy.loseNextCommit(what);
        assert.deepEqual(await queue.finish(lease, REPLICATED), { kind: 'finished', status: 'done' });
        assert.equal((await show(queue, transferId)).outcome, 'replicated');
        assert.deepEqual(await queue.finish(lease, REPLICATED), { kind: 'lease_lost' });
      });

      test(`happens once where the ${what} is lost: retry and renew`, async (t) => {
        const { queue } = await openThroughProxy(t);
        const { transferId } = await acceptOne(queue, 'a');
        const { lease } = await claimOne(queue);
        proxy.loseNextCommit(what);
        assert((await queue.renew(lease)) !== null);
        proxy.loseNextCommit(what);
        assert.equal(await queue.retry(lease, retryIn(60_000)), true);
        assert.equal((await show(queue, transferId)).attemptCount, 1);
      });

      test(`happens once where the ${what} is lost: a note`, async (t) => {
        const { queue } = await openThroughProxy(t);
        proxy.loseNextCommit(what);
        assert.equal(await queue.notes.write('a', 'one', null), true);
        const note = await queue.notes.read('a');
        proxy.loseNextCommit(what);
        assert.equal(await queue.notes.write('a', 'two', note?.version ?? 0), true);
        assert.equal((await queue.notes.read('a'))?.value, 'two');
      });
    }
  });

  test('a backend that is terminated while it waits for a row loses nothing: the operation is done on another', async (t) => {
    const { queue, url } = await openThroughProxy(t);
    const { transferId } = await acceptOne(queue, 'a');
    const { lease } = await claimOne(queue);
    // Somebody else holds the row for a while.
    const holding = server.run(
      'BEGIN; SELECT 1 FROM replicator_transfers FOR UPDATE; SELECT pg_sleep(0.6); COMMIT',
      url,
    );
    await sleep(200);
    const finishing = queue.finish(lease, REPLICATED);
    await sleep(100);
    await server.run(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'cross-cloud-replicator'",
    );
    assert.deepEqual(await finishing, { kind: 'finished', status: 'done' });
    await holding;
    assert.equal((await show(queue, transferId)).status, 'done');
  });

  test('a network that is down is waited for; after some seconds it is told, and nothing was taken', async (t) => {
    const troubles: string[] = [];
    const { queue } = await openThroughProxy(t, troubles);
    await acceptOne(queue, 'a');
    proxy.cutAll(false);
    const refused = assert.rejects(acceptOne(queue, 'b'), (error: Error) => {
      assert.match(
        error.message,
        /^The queue database 127\.0\.0\.1:\d+\/postgres could not commit \(.+\): nothing was taken$/,
      );
      return true;
    });
    const unread = assert.rejects(queue.counts(), QueueUnavailable);
    await assert.rejects(queue.checkWritable(), /could not commit/);
    await Promise.all([refused, unread]);
    proxy.cutAll(true);
    const { transferId } = await acceptOne(queue, 'c');
    assert.equal((await show(queue, transferId)).status, 'queued');
    assert.equal((await queue.counts()).byStatus.queued, 2);
    assert.match(troubles[0] ?? '', /cannot be heard .* looked for every second/);
  });

  for (const mode of ['fast', 'immediate'] as const) {
    test(`a restart of the server (${mode}) in the middle of work loses nothing that was taken`, async (t) => {
      const url = await server.newSchema();
      const queue = await openSharedQueue(url);
      t.after(() => queue.close());
      const taken = new Set<string>();
      const done = new Set<string>();
      const stopping = new AbortController();
      const { signal } = stopping;
      const acceptLoop = async (lane: number): Promise<void> => {
        for (let index = 0; !signal.aborted; index += 1) {
          const key = `${lane}/${index}`;
          // Whoever is refused comes again.
          await acceptOne(queue, key).then(
            () => taken.add(key),
            () => {},
          );
        }
      };
      const workLoop = async (): Promise<void> => {
        while (!signal.aborted) {
          const claimed = await queue.claim(roomFor(20)).catch(() => []);
          await Promise.all(
            claimed.map(async ({ lease, source }) => {
              const answer = await queue.finish(lease, REPLICATED);
              if (answer.kind === 'finished') done.add(source.key);
            }),
          );
        }
      };
      const loops = [acceptLoop(1), acceptLoop(2), workLoop(), workLoop()];
      await sleep(300);
      await server.shutDown(mode);
      await server.start();
      const takenBefore = taken.size;
      while (taken.size < takenBefore + 50) await sleep(20);
      stopping.abort();
      await Promise.all(loops);
      const open = await queue.claim(roomFor(100_000));
      for (const { source } of open) done.add(source.key);
      const { byStatus } = await queue.counts();
      const [counted] = await server.run('SELECT count(*)::int AS live FROM replicator_transfers', url);
      assert.equal(byStatus.queued + byStatus.copying + byStatus.settling, counted?.['live']);
      // A claim whose answer never came is taken back when its lease expires.
      const inFlight = await queue.list({ filter: { status: 'copying' }, cursor: null, limit: 1_000 });
      for (const { source } of inFlight.transfers) done.add(source.key);
      assert.deepEqual(taken.difference(done), new Set());
    });
  }

  for (const what of ['accept', 'claim'] as const) {
    test(`a standby without the last commit takes over, and gives its number to another transaction: ${what} is done again`, async (t) => {
      const { queue } = await openThroughProxy(t);
      await acceptOne(queue, 'a');
      const takeOver = await server.keepStandby();
      await queue.checkWritable();
      proxy.loseNextCommit('request', true);
      const lost = proxy.lostCommits;
      const asked = what === 'accept' ? acceptOne(queue, 'b') : queue.claim(roomFor(1));
      while (proxy.lostCommits === lost) await sleep(5);
      await takeOver();
      await server.run(
        'DO $$ BEGIN FOR i IN 1..300 LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END $$',
      );
      proxy.cutAll(true);
      await asked;
      const { byStatus } = await queue.counts();
      assert.deepEqual([byStatus.queued, byStatus.copying], what === 'accept' ? [2, 0] : [0, 1]);
    });
  }

  test('a claim that a failover forgot has no power over the next claim of the row', async (t) => {
    const { queue } = await openThroughProxy(t);
    await acceptOne(queue, 'a');
    const takeOver = await server.keepStandby();
    const forgotten = await claimOne(queue);
    await takeOver();
    const { lease } = await claimOne(queue);
    assert.deepEqual(await queue.finish(forgotten.lease, REPLICATED), { kind: 'lease_lost' });
    assert.deepEqual(await queue.finish(lease, REPLICATED), { kind: 'finished', status: 'done' });
  });

  test('sessions are of one run until the server crashes, also where only one of its processes is killed', async () => {
    const address = readDatabaseUrl(server.url);
    const earlier = await openPatiently(address);
    const killed = await openPatiently(address);
    assert.equal(serverRunOf(earlier), serverRunOf(killed));
    const { rows } = await killed.query<{ readonly pid: number }>('SELECT pg_backend_pid() AS pid');
    // The server ends all of its sessions when one of them crashes.
    const isOver = Promise.all(
      [earlier, killed].map((session) => new Promise<void>((resolve) => session.on('end', resolve))),
    );
    process.kill(rows[0]?.pid ?? Number.NaN, 'SIGKILL');
    await isOver;
    const recovered = await openPatiently(address);
    assert.notEqual(serverRunOf(recovered), serverRunOf(earlier));
    await recovered.end();
  });

  test('a server that may only be read is refused until one that takes writes answers', async (t) => {
    const { queue } = await openThroughProxy(t);
    await acceptOne(queue, 'a');
    await setReadOnly('on');
    t.after(() => setReadOnly('off'));
    await assert.rejects(acceptOne(queue, 'b'), /standby, or may only be read.*nothing was taken/);
    const accepting = acceptOne(queue, 'c');
    await setReadOnly('off');
    await accepting;
    assert.equal((await queue.counts()).byStatus.queued, 2);
  });

  /** As a server that was demoted: sessions that are open learn of it too. */
  async function setReadOnly(value: 'on' | 'off'): Promise<void> {
    await server.run(`ALTER SYSTEM SET default_transaction_read_only = ${value}`);
    await server.run('SELECT pg_reload_conf()');
    // The server tells its sessions in its own time.
    for (;;) {
      const [row] = await server.run('SHOW default_transaction_read_only');
      if (row?.['default_transaction_read_only'] === value) return;
      await sleep(20);
    }
  }
});

/** The server takes a moment to come back. */
async function openPatiently(address: DatabaseAddress): Promise<Awaited<ReturnType<typeof openSession>>> {
  for (;;) {
    try {
      return await openSession(address);
    } catch {
      await sleep(50);
    }
  }
}
