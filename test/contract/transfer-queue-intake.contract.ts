// The contract's part on what changes, claims and redrives do.
import assert from 'node:assert/strict';
import {
  acceptOne,
  claimOne,
  CURRENT,
  GRACE_MS,
  itemOf,
  LEASE_MS,
  parkWith,
  type Promised,
  receiptOf,
  REPLICATED,
  retryIn,
  roomFor,
  show,
} from './transfer-queue-samples.ts';

/** Registers the tests. */
export function intakeTests(promised: Promised): void {
  promised('a change of an unknown key makes a queued transfer that is due at once', async (queue, clock) => {
    const { transferId, joined } = await acceptOne(queue, 'a', { occurredAtMs: 500, sizeBytes: 9 });
    assert.equal(joined, false);
    const shown = await show(queue, transferId);
    assert.deepEqual(shown, {
      id: transferId,
      ruleName: 'default',
      source: { bucket: 'source', key: 'a' },
      target: { bucket: 'target', key: 'copy/a' },
      status: 'queued',
      outcome: null,
      fault: null,
      attemptCount: 0,
      sizeBytes: 9,
      bytesDone: 0,
      changeAtMs: 500,
      createdAtMs: clock.nowMs(),
      updatedAtMs: clock.nowMs(),
      nextAttemptAtMs: clock.nowMs(),
      receipt: null,
    });
    assert.equal(await queue.untilNextDueMs(roomFor(10)), 0);
  });

  promised('a change without a time of its own counts from its acceptance', async (queue, clock) => {
    clock.advance(1_234);
    const { transferId } = await acceptOne(queue, 'a');
    assert.equal((await show(queue, transferId)).changeAtMs, clock.nowMs());
  });

  promised('changes before the claim share one transfer', async (queue) => {
    const first = await acceptOne(queue, 'a', { occurredAtMs: 500, sizeBytes: 9 });
    const second = await acceptOne(queue, 'a', { occurredAtMs: 400, sizeBytes: 10 });
    const third = await acceptOne(queue, 'a', { occurredAtMs: 600 });
    assert.deepEqual(second, { transferId: first.transferId, joined: true });
    assert.deepEqual(third, second);
    const claimed = await claimOne(queue);
    assert.equal(claimed.changeAtMs, 400, 'the oldest change counts');
    assert.equal(claimed.sizeHintBytes, 10, 'the latest size that was told');
  });

  promised('duplicates inside one accept share one transfer, answered in order', async (queue) => {
    const items = [itemOf('a'), itemOf('b'), itemOf('a'), itemOf('a', { rule: 'other' })];
    const answers = await queue.accept({ items, quarantine: [] });
    assert.deepEqual(
      answers.map(({ joined }) => joined),
      [false, false, true, false],
    );
    assert.equal(answers[0]?.transferId, answers[2]?.transferId);
    assert.equal(new Set(answers.map(({ transferId }) => transferId)).size, 3);
    assert.equal((await queue.counts()).byStatus.queued, 3);
  });

  promised('a key is compared byte by byte, whatever it holds', async (queue) => {
    const keys = [
      'é',
      'e\u0301',
      'a\u0000b',
      'a\u0000c',
      'a',
      'A',
      ' a',
      'a ',
      '%61',
      "'; --",
      '\u{1F600}\n',
    ];
    const answers = await queue.accept({ items: keys.map((key) => itemOf(key)), quarantine: [] });
    assert.equal(new Set(answers.map(({ transferId }) => transferId)).size, keys.length);
    const claimed = await queue.claim(roomFor(100));
    assert.deepEqual(
      claimed.map(({ source }) => source.key),
      keys,
    );
    assert.equal(claimed[2]?.target.key, 'copy/a\u0000b');
  });

  promised('changes while an attempt runs share the id of its follow-up', async (queue, clock) => {
    const first = await acceptOne(queue, 'a');
    const claimed = await claimOne(queue);
    clock.advance(10);
    const second = await acceptOne(queue, 'a', { occurredAtMs: 900, sizeBytes: 4 });
    const third = await acceptOne(queue, 'a', { occurredAtMs: 800 });
    assert.notEqual(second.transferId, first.transferId);
    assert.deepEqual([second.joined, third.joined], [true, true]);
    assert.equal(third.transferId, second.transferId);
    const waiting = await show(queue, second.transferId);
    assert.equal(waiting.status, 'queued', 'known before it begins');
    assert.deepEqual([waiting.changeAtMs, waiting.sizeBytes], [800, 4]);
    assert.equal((await show(queue, first.transferId)).status, 'copying');
    assert.deepEqual(await queue.claim(roomFor(10)), [], 'one attempt at a time');

    assert.deepEqual(await queue.finish(claimed.lease, REPLICATED), { kind: 'finished', status: 'queued' });
    const ended = await show(queue, first.transferId);
    assert.deepEqual([ended.status, ended.outcome, ended.receipt], ['done', 'replicated', receiptOf('1')]);
    const next = await claimOne(queue);
    assert.equal(next.lease.transferId, second.transferId);
    assert.deepEqual([next.changeAtMs, next.sizeHintBytes, next.attemptCount], [800, 4, 0]);
    assert.deepEqual(next.lastReceipt, receiptOf('1'));
  });

  promised('the claim covers the changes before it: nothing is dirty afterwards', async (queue) => {
    await acceptOne(queue, 'a');
    await acceptOne(queue, 'a');
    const claimed = await claimOne(queue);
    assert.deepEqual(await queue.finish(claimed.lease, REPLICATED), { kind: 'finished', status: 'done' });
    assert.equal(await queue.untilNextDueMs(roomFor(10)), null);
  });

  promised('a change of a done key makes a new transfer', async (queue) => {
    const first = await acceptOne(queue, 'a');
    await queue.finish((await claimOne(queue)).lease, REPLICATED);
    const second = await acceptOne(queue, 'a');
    assert.notEqual(second.transferId, first.transferId);
    assert.equal(second.joined, false);
    assert.equal((await show(queue, first.transferId)).status, 'done');
  });

  promised('a change does not cut a backoff short, and its attempts begin anew', async (queue, clock) => {
    await acceptOne(queue, 'a');
    await queue.retry((await claimOne(queue)).lease, retryIn(5_000));
    await acceptOne(queue, 'a');
    assert.equal(await queue.untilNextDueMs(roomFor(10)), 5_000);
    clock.advance(5_000);
    assert.equal((await claimOne(queue)).attemptCount, 0);
  });

  promised('no change comes from the future', async (queue, clock) => {
    const { transferId } = await acceptOne(queue, 'a', { occurredAtMs: clock.nowMs() + 3_600_000 });
    assert.equal((await show(queue, transferId)).changeAtMs, clock.nowMs());
  });

  promised('a transfer shows where it really went, also after its rule was mapped anew', async (queue) => {
    const { transferId } = await acceptOne(queue, 'a');
    const elsewhere = { bucket: 'elsewhere', key: 'new/a' };
    const { lease } = await claimOne(queue);
    await queue.finish(lease, { outcome: 'already_current', receipt: null, owed: false, target: elsewhere });
    assert.deepEqual((await show(queue, transferId)).target, elsewhere);
  });

  promised(
    'a parked transfer that sees a change is due again under its id, from attempt zero',
    async (queue) => {
      const { transferId } = await acceptOne(queue, 'a');
      await queue.park((await claimOne(queue)).lease, parkWith('access_denied'));
      const parked = await show(queue, transferId);
      assert.deepEqual([parked.status, parked.attemptCount, parked.nextAttemptAtMs], ['parked', 1, null]);
      assert.deepEqual(await acceptOne(queue, 'a'), { transferId, joined: true });
      const again = await show(queue, transferId);
      assert.equal(again.status, 'queued');
      assert.equal(again.fault?.code, 'access_denied', 'the fault stays until the next end');
      assert.equal((await claimOne(queue)).attemptCount, 0);
    },
  );

  promised('the token of a lease grows with every claim of the row', async (queue) => {
    await acceptOne(queue, 'a');
    const tokens: number[] = [];
    for (let round = 0; round < 3; round += 1) {
      const { lease } = await claimOne(queue);
      tokens.push(lease.token);
      await acceptOne(queue, 'a');
      await queue.release(lease, { owed: false });
    }
    assert.deepEqual(
      tokens.toSorted((a, b) => a - b),
      tokens,
    );
    assert.equal(new Set(tokens).size, 3);
  });

  promised('claims hand out the oldest due first, and no more than asked for', async (queue, clock) => {
    for (const key of ['a', 'b', 'c', 'd']) {
      await acceptOne(queue, key);
      clock.advance(10);
    }
    const [first, second] = await queue.claim(roomFor(2));
    assert(first !== undefined && second !== undefined);
    assert.deepEqual([first.source.key, second.source.key], ['a', 'b']);
    assert.equal(first.lease.expiresAtMonotonicMs, clock.monotonicMs() + LEASE_MS);
    await queue.release(second.lease, { owed: false });
    await queue.finish(first.lease, { ...REPLICATED, owed: true });
    clock.advance(GRACE_MS);
    const keys = (await queue.claim(roomFor(10))).map(({ source }) => source.key);
    assert.deepEqual(keys, ['c', 'd', 'b', 'a'], 'rows released and settling take their turn by due time');
  });

  promised('redrive makes a waiting or parked transfer due at once, from attempt zero', async (queue) => {
    const { transferId } = await acceptOne(queue, 'a');
    await queue.retry((await claimOne(queue)).lease, retryIn(60_000));
    assert.deepEqual(await queue.redrive(transferId), { transferId });
    const claimed = await claimOne(queue);
    assert.equal(claimed.attemptCount, 0);
    await queue.park(claimed.lease, parkWith('too_large'));
    assert.deepEqual(await queue.redrive(transferId), { transferId });
    const again = await claimOne(queue);
    assert.deepEqual([again.lease.transferId, again.attemptCount], [transferId, 0]);
  });

  promised('redrive of a running transfer answers with its follow-up', async (queue) => {
    const { transferId } = await acceptOne(queue, 'a');
    const { lease } = await claimOne(queue);
    const followUp = await queue.redrive(transferId);
    assert(followUp !== null);
    assert.notEqual(followUp.transferId, transferId);
    assert.deepEqual(await queue.redrive(followUp.transferId), followUp, 'also by the id of the follow-up');
    await queue.finish(lease, CURRENT);
    assert.equal((await claimOne(queue)).lease.transferId, followUp.transferId);
  });

  promised('redrive of a done transfer makes a new one, or joins the live one of its key', async (queue) => {
    const { transferId } = await acceptOne(queue, 'a');
    await queue.finish((await claimOne(queue)).lease, REPLICATED);
    const next = await queue.redrive(transferId);
    assert(next !== null);
    assert.notEqual(next.transferId, transferId);
    assert.deepEqual(await queue.redrive(transferId), next);
    const claimed = await claimOne(queue);
    assert.deepEqual([claimed.lease.transferId, claimed.target.key], [next.transferId, 'copy/a']);
    assert.equal(await queue.redrive('nobody-knows-this-id'), null);
  });

  promised('records that could not be understood are kept word by word', async (queue, clock) => {
    const quarantine = [
      { reason: 'no key', raw: '{"\u0000":1}' },
      { reason: 'no bucket', raw: '{}' },
    ];
    await queue.accept({ items: [], quarantine });
    assert.equal((await queue.counts()).quarantined, 2);
    const first = await queue.listQuarantine({ cursor: null, limit: 1 });
    assert.equal(first.records[0]?.reason, 'no bucket', 'newest first');
    assert.equal(first.records[0]?.receivedAtMs, clock.nowMs());
    const second = await queue.listQuarantine({ cursor: first.nextCursor, limit: 1 });
    assert.equal(second.records[0]?.raw, '{"\u0000":1}');
    assert.equal(second.nextCursor, null);
    assert.notEqual(first.records[0]?.id, second.records[0]?.id);
    const id = second.records[0]?.id ?? '';
    assert.equal((await queue.getQuarantined(id))?.raw, '{"\u0000":1}');
    assert.equal(await queue.getQuarantined('unknown'), null);
  });

  promised('a listing shows the beginning of a long record, asking for it shows the whole', async (queue) => {
    const raw = `"${'é'.repeat(5_000)}"`;
    await queue.accept({ items: [], quarantine: [{ reason: 'long', raw }] });
    const [listed] = (await queue.listQuarantine({ cursor: null, limit: 10 })).records;
    assert.ok(
      listed !== undefined &&
        raw.startsWith(listed.raw) &&
        listed.raw.length > 900 &&
        listed.raw.length < 1_100,
    );
    assert.equal(listed.rawBytes, 10_002);
    assert.equal((await queue.getQuarantined(listed.id))?.raw, raw);
  });

  promised('old quarantined records are pruned, and counted no more', async (queue, clock) => {
    await queue.accept({ items: [], quarantine: [{ reason: 'old', raw: '1' }] });
    clock.advance(1_000);
    await queue.accept({ items: [], quarantine: [{ reason: 'new', raw: '2' }] });
    assert.equal(await queue.prune({ beforeMs: clock.nowMs(), limit: 10 }), 1);
    assert.equal((await queue.counts()).quarantined, 1);
    assert.equal((await queue.listQuarantine({ cursor: null, limit: 10 })).records[0]?.reason, 'new');
  });

  promised('a queue that can be written says so, and leaves nothing behind', async (queue) => {
    await queue.checkWritable();
    assert.equal((await queue.counts()).quarantined, 0);
    assert.equal((await queue.listQuarantine({ cursor: null, limit: 10 })).records.length, 0);
  });
}
