import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Fault } from '../core/faults.ts';
import { createLogger } from './logger.ts';
import { createMessageHappenings } from './message-happenings.ts';
import { createMetrics } from './metrics.ts';

const REF = {
  transferId: 'm-1',
  ruleName: 'photos',
  source: { bucket: 'from', key: 'a b.jpg' },
  target: { bucket: 'to', key: 'x/a b.jpg' },
};
const FACTS = { transferId: 'm-1', rule: 'photos', bucket: 'from', key: 'a b.jpg', target: 'to/x/a b.jpg' };

function open() {
  const lines: Record<string, unknown>[] = [];
  const write = (text: string): void => void lines.push(JSON.parse(text) as Record<string, unknown>);
  const logger = createLogger({ level: 'debug', format: 'json', write, isColored: false });
  const clock = { nowMs: () => 0, monotonicMs: () => 0, sleep: async () => {} };
  const metrics = createMetrics({ version: '1', clock });
  const happenings = createMessageHappenings({ logger, metrics: metrics.messages });
  const count = async (series: string): Promise<number> => {
    const { text } = await metrics.render();
    const line = text.split('\n').find((one) => one.startsWith(`${series} `));
    return Number(line?.split(' ').at(-1) ?? 0);
  };
  return { lines, happenings, count };
}

test('what stays in the queue is one line with fault and remedy, and is counted', async () => {
  const { lines, happenings, count } = open();
  const fault = new Fault('access_denied', 's3:GetObject is denied', { details: { bucket: 'from' } });
  happenings.transferLeft({ ...REF, fault, attemptCount: 0, receiveCount: 3 });
  assert.partialDeepStrictEqual(lines, [
    {
      ...FACTS,
      level: 'error',
      fault: 'access_denied',
      reason: 's3:GetObject is denied',
      receiveCount: 3,
      details: { bucket: 'from' },
      msg: 'failed: the message stays in the queue, for its dead-letter policy',
    },
  ]);
  assert.match(String(lines[0]?.['remedy']), /Grant the permission/);
  assert.equal(await count('replicator_left_transfers_total{fault="access_denied"}'), 1);
});

test('a delete that the brake holds is no error each time: its trip was told', () => {
  const { lines, happenings } = open();
  happenings.transferLeft({
    ...REF,
    fault: new Fault('delete_brake', 'held'),
    attemptCount: 0,
    receiveCount: 1,
  });
  assert.equal(lines[0]?.['level'], 'info');
  assert.match(String(lines[0]?.['msg']), /^held: the delete brake is tripped/);
});

test('looks that follow, what is handed over and what is given back are told and counted', async () => {
  const { lines, happenings, count } = open();
  happenings.lookAgainSent({ ...REF, reason: 'taken_over', delaySec: 120 });
  happenings.transferHandedOver({ ...REF, reason: 'It has 7 bytes, and at most 6 are copied here' });
  happenings.transferGivenBack({ ...REF, reason: 'shutdown' });
  assert.deepEqual(
    lines.map(({ msg }) => msg),
    [
      'sent to the queue once more: one more look follows',
      'handed over to the service',
      'given back to the queue: the process stops',
    ],
  );
  assert.partialDeepStrictEqual(lines[0], { ...FACTS, delaySec: 120 });
  assert.equal(await count('replicator_look_again_messages_total{reason="taken_over"}'), 1);
  assert.equal(await count('replicator_handed_over_total'), 1);
});

test('a record that nobody understands is an error with the beginning of the record', async () => {
  const { lines, happenings, count } = open();
  happenings.recordLeft({ messageId: 'm-1', receiveCount: 2, reason: 'is not JSON', rawStart: '{"Rec' });
  assert.partialDeepStrictEqual(lines, [{ level: 'error', messageId: 'm-1', record: '{"Rec' }]);
  assert.equal(await count('replicator_left_records_total'), 1);
});
