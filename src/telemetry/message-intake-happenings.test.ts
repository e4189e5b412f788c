import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FaultCode } from '../core/faults.ts';
import type { MessageIntakeState } from '../core/message-intake.ts';
import { SYSTEM_CLOCK } from '../system-clock.ts';
import { createLogger } from './logger.ts';
import { createMessageIntakeHappenings } from './message-intake-happenings.ts';
import { createMetrics } from './metrics.ts';

const QUIET: MessageIntakeState = {
  queueUrl: 'https://sqs.eu-central-1.amazonaws.com/111122223333/changes',
  trouble: null,
  pause: null,
  inHand: 0,
  receivedAtMs: null,
  waiting: null,
};
const FAULT = {
  code: 'queue_denied',
  message: 'sqs:ReceiveMessage is denied',
  details: {},
  atMs: 0,
} as const;

function open(): {
  readonly lines: Record<string, unknown>[];
  readonly metrics: ReturnType<typeof createMetrics>;
  readonly happenings: ReturnType<typeof createMessageIntakeHappenings>;
} {
  const lines: Record<string, unknown>[] = [];
  const write = (text: string): void => void lines.push(JSON.parse(text) as Record<string, unknown>);
  const logger = createLogger({ level: 'debug', format: 'json', write, isColored: false });
  const metrics = createMetrics({ version: 'test', clock: SYSTEM_CLOCK });
  return { lines, metrics, happenings: createMessageIntakeHappenings({ logger, metrics }) };
}

async function shown(metrics: ReturnType<typeof createMetrics>): Promise<string[]> {
  const { text } = await metrics.render();
  return text.split('\n').filter((line) => line.startsWith('replicator_sqs_'));
}

test('without a queue there are no metrics of one, with it every result has a series from the start', async () => {
  const { metrics } = open();
  assert.deepEqual(await shown(metrics), []);
  metrics.messageIntake.watch(() => ({ ...QUIET, inHand: 3, waiting: 12 }));
  assert.deepEqual((await shown(metrics)).toSorted(), [
    'replicator_sqs_messages_in_hand 3',
    'replicator_sqs_messages_not_deleted_total 0',
    'replicator_sqs_messages_total{result="accepted"} 0',
    'replicator_sqs_messages_total{result="ignored"} 0',
    'replicator_sqs_messages_total{result="quarantined"} 0',
    'replicator_sqs_messages_total{result="repeated"} 0',
    'replicator_sqs_messages_total{result="returned"} 0',
    'replicator_sqs_messages_waiting 12',
    'replicator_sqs_paused 0',
    'replicator_sqs_up 1',
  ]);
});

test('messages are counted and write no line; trouble and pause show in the metrics', async () => {
  const { lines, metrics, happenings } = open();
  metrics.messageIntake.watch(() => ({
    ...QUIET,
    trouble: { sinceMs: 0, fault: FAULT },
    pause: { sinceMs: 0, reason: 'queue', detail: 'the disk is full' },
  }));
  happenings.messagesHandled('accepted', 7);
  happenings.messagesNotDeleted(2);
  assert.deepEqual(lines, []);
  const text = await shown(metrics);
  for (const line of [
    'replicator_sqs_messages_total{result="accepted"} 7',
    'replicator_sqs_messages_not_deleted_total 2',
    'replicator_sqs_up 0',
    'replicator_sqs_paused 1',
    'replicator_sqs_messages_waiting Nan',
  ])
    assert.ok(text.includes(line), `${line} in\n${text.join('\n')}`);
});

test('each change of state is one line that names the reason and the fix', () => {
  const { lines, happenings } = open();
  const { queueUrl } = QUIET;
  happenings.messageIntakeBegan({ queueUrl });
  happenings.messageQueueDown({ queueUrl, call: 'receive', sinceMs: 0, fault: FAULT });
  happenings.messageQueueUp({ queueUrl, downForMs: 1_234.5 });
  happenings.messageIntakePaused({ reason: 'disk_reserve', detail: '5 bytes are free' });
  happenings.messageIntakeResumed({ reason: 'disk_reserve', pausedForMs: 99.9 });
  assert.deepEqual(
    lines.map(({ level, msg }) => [level, String(msg).split(':')[0]]),
    [
      ['info', 'SQS'],
      ['error', 'SQS down'],
      ['info', 'SQS up again'],
      ['warn', 'SQS paused'],
      ['info', 'SQS resumed'],
    ],
  );
  const [, down, up, paused] = lines;
  assert.equal(down?.['fault'], 'queue_denied');
  assert.equal(down?.['reason'], 'sqs:ReceiveMessage is denied');
  assert.match(String(down?.['remedy']), /Allow sqs:ReceiveMessage/);
  assert.equal(up?.['downForMs'], 1_235);
  assert.match(String(paused?.['remedy']), /Free space/);
});

test('a queue that is down says whether changes wait there or somebody has to act', () => {
  const { lines, happenings } = open();
  const { queueUrl } = QUIET;
  const down = (code: FaultCode, call: 'receive' | 'delete' = 'receive'): unknown => {
    happenings.messageQueueDown({ queueUrl, call, sinceMs: 0, fault: { ...FAULT, code } });
    return lines.at(-1)?.['msg'];
  };
  assert.equal(down('queue_unavailable'), 'SQS down: changes wait in the queue; everything else goes on');
  for (const code of ['queue_missing', 'queue_denied', 'credentials_invalid'] as const)
    assert.equal(down(code), 'SQS down: no change arrives from it until this is fixed');
  assert.equal(
    down('queue_denied', 'delete'),
    'SQS down: messages that are done with cannot be deleted, and come again until this is fixed',
  );
});
