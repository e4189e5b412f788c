// Counts that cost the same with any backlog: exact after many transactions, and right again after somebody's own hand.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openSharedQueue } from '../../../test/contract/open-shared-queue.ts';
import {
  acceptOne,
  claimOne,
  itemOf,
  parkWith,
  REPLICATED,
  roomFor,
} from '../../../test/contract/transfer-queue-samples.ts';
import { onPostgres } from '../../../test/postgres-server.ts';

onPostgres((server) => {
  test('the notes of many transactions are folded, while several processes write them, and the sum stays exact', async () => {
    const url = await server.newSchema();
    const queues = await Promise.all([openSharedQueue(url), openSharedQueue(url)]);
    const [first] = queues;
    await Promise.all(
      queues.map(async (queue, process) => {
        for (let index = 0; index < 450; index += 1) {
          await acceptOne(queue, `${process}/${index}`);
          if (index % 3 === 0)
            for (const { lease } of await queue.claim(roomFor(2)))
              await (index % 2 === 0 ? queue.finish(lease, REPLICATED) : queue.park(lease, parkWith('bug')));
        }
      }),
    );
    const [found] = await server.run(
      `SELECT (SELECT count(*) FROM replicator_transfers WHERE status = 'queued')::int AS queued,
     (SELECT count(*) FROM replicator_transfers WHERE status = 'parked')::int AS parked,
     (SELECT count(*) FROM replicator_tallies)::int AS notes`,
      url,
    );
    const { byStatus } = await first.counts();
    assert.deepEqual(
      [byStatus.queued, byStatus.copying, byStatus.parked],
      [found?.['queued'], 0, found?.['parked']],
    );
    assert.equal((await first.parkedClasses())[0]?.count, found?.['parked']);
    assert(Number(found?.['notes']) < 900, `${String(found?.['notes'])} notes`);
    await Promise.all(queues.map((queue) => queue.close()));
  });

  test('what an operator removed by hand is counted no more after the next start, however many start at once', async () => {
    const url = await server.newSchema();
    const queue = await openSharedQueue(url);
    await queue.accept({
      items: ['a', 'b', 'c', 'd'].map((key) => itemOf(key)),
      quarantine: [{ reason: 'no key', raw: '{}' }],
    });
    for (const { lease } of await queue.claim(roomFor(2))) await queue.park(lease, parkWith('too_large'));
    await server.run(
      "DELETE FROM replicator_transfers WHERE source_key IN ('a', 'c'); DELETE FROM replicator_quarantine",
      url,
    );
    assert.equal((await queue.counts()).byStatus.parked, 2, 'not known yet');
    const others = await Promise.all(Array.from({ length: 5 }, () => openSharedQueue(url)));
    const { byStatus, quarantined } = await queue.counts();
    assert.deepEqual([byStatus, quarantined], [{ queued: 1, copying: 0, settling: 0, parked: 1 }, 0]);
    assert.deepEqual(
      (await queue.parkedClasses()).map(({ faultCode, count }) => [faultCode, count]),
      [['too_large', 1]],
    );
    assert.equal((await claimOne(queue)).source.key, 'd');
    await Promise.all([queue, ...others].map((open) => open.close()));
  });
});
