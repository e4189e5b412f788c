// Many operations, one transaction; and one that cannot be done does not take the others with it.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { openSharedQueue } from '../../../test/contract/open-shared-queue.ts';
import { acceptOne, itemOf, REPLICATED, roomFor } from '../../../test/contract/transfer-queue-samples.ts';
import { onPostgres } from '../../../test/postgres-server.ts';

onPostgres((server) => {
  test('hundreds of operations at once are a few transactions', async () => {
    const queue = await openSharedQueue(await server.newSchema());
    const transactions = async (): Promise<number> =>
      Number((await server.run('SELECT pg_current_xact_id()::text AS id'))[0]?.['id']);
    const beginning = await transactions();
    await Promise.all(Array.from({ length: 300 }, (_, index) => acceptOne(queue, `key-${index}`)));
    const claimed = await queue.claim(roomFor(300));
    await Promise.all(claimed.map(({ lease }) => queue.finish(lease, REPLICATED)));
    assert.equal(claimed.length, 300);
    const made = (await transactions()) - beginning;
    // The server has some of its own.
    assert(made < 30, `${made} transactions`);
    await queue.close();
  });

  test('a change that cannot be kept is refused alone, with the others of the same turn taken', async () => {
    const queue = await openSharedQueue(await server.newSchema());
    // No store has such a name, and no index takes it.
    const impossible = randomBytes(4_000).toString('base64');
    const answers = await Promise.allSettled([
      acceptOne(queue, 'a'),
      queue.accept({ items: [itemOf('b'), itemOf(impossible)], quarantine: [] }),
      acceptOne(queue, 'c'),
    ]);
    assert.deepEqual(
      answers.map(({ status }) => status),
      ['fulfilled', 'rejected', 'fulfilled'],
    );
    assert.equal((await queue.counts()).byStatus.queued, 2, 'all of an accept, or nothing');
    await queue.close();
  });

  test('a queue that is closed writes what waits, and then takes nothing', async () => {
    const url = await server.newSchema();
    const queue = await openSharedQueue(url);
    const accepting = acceptOne(queue, 'a');
    await queue.close();
    await accepting;
    await assert.rejects(acceptOne(queue, 'b'), /closed/);
    const again = await openSharedQueue(url);
    assert.equal((await again.counts()).byStatus.queued, 1);
    await again.close();
  });
});
