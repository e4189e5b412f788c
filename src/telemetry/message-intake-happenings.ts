// The intake from a message queue in the log and in the metrics: one line when it stops and one when it goes on again,
// none for a message. What the messages carry is told change by change, as from every other way in.
import { Counter, Gauge, type Registry } from 'prom-client';
import { type FaultCode, FAULTS } from '../core/faults.ts';
import {
  MESSAGE_RESULTS,
  type MessageIntakeHappenings,
  type MessageIntakeState,
  type MessageQueueRequest,
  type MessageResult,
  type PauseReason,
} from '../core/message-intake.ts';
import type { Logger } from './logger.ts';

export interface MessageIntakeMetrics {
  handled(result: MessageResult, count: number): void;
  notDeleted(count: number): void;
  /** Asked at every scrape. Without it none of these metrics is shown. */
  watch(read: () => MessageIntakeState): void;
}

/** Registers the metrics of the intake from SQS once there is such an intake. */
export function createMessageIntakeMetrics(registry: Registry): MessageIntakeMetrics {
  let shown: ReturnType<typeof registerMetrics> | null = null;
  return {
    handled: (result, count) => shown?.messages.inc({ result }, count),
    notDeleted: (count) => shown?.notDeleted.inc(count),
    watch: (read) => {
      shown = registerMetrics(registry, read);
    },
  };
}

function registerMetrics(registry: Registry, read: () => MessageIntakeState) {
  const registers = [registry];
  const messages = new Counter({
    name: 'replicator_sqs_messages_total',
    help: 'Messages received from SQS, by what became of them.',
    labelNames: ['result'],
    registers,
  });
  for (const result of MESSAGE_RESULTS) messages.inc({ result }, 0);
  const notDeleted = new Counter({
    name: 'replicator_sqs_messages_not_deleted_total',
    help: 'Messages that are done with and could not be deleted; they come again and change nothing.',
    registers,
  });
  const gauge = (name: string, help: string, valueOf: (state: MessageIntakeState) => number): Gauge =>
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(valueOf(read()));
      },
    });
  gauge('replicator_sqs_up', '1 while the queue can be used, 0 while it cannot.', ({ trouble }) =>
    trouble === null ? 1 : 0,
  );
  gauge(
    'replicator_sqs_paused',
    '1 while no messages are asked for because nothing could be stored.',
    (state) => (state.pause === null ? 0 : 1),
  );
  gauge(
    'replicator_sqs_messages_in_hand',
    'Messages received and neither acknowledged nor given back.',
    ({ inHand }) => inHand,
  );
  gauge(
    'replicator_sqs_messages_waiting',
    'About how many messages wait in the queue; NaN where it does not tell.',
    ({ waiting }) => waiting ?? Number.NaN,
  );
  return { messages, notDeleted };
}

const PAUSE_REMEDY: Record<PauseReason, string> = {
  disk_reserve: 'Free space on the disk of REPLICATOR_DATA_DIR: the queue is asked again by itself.',
  event_loop: 'Give the process more processor time.',
  queue:
    'Check the disk of REPLICATOR_DATA_DIR, or, where DATABASE_URL is set, that its PostgreSQL server runs and can be reached; the queue is asked again by itself.',
};

function effectOf(call: MessageQueueRequest, code: FaultCode): string {
  if (FAULTS[code].disposition !== 'park') return 'changes wait in the queue; everything else goes on';
  return call === 'receive'
    ? 'no change arrives from it until this is fixed'
    : 'messages that are done with cannot be deleted, and come again until this is fixed';
}

/** Writes each change of state to the log, and counts every message. */
export function createMessageIntakeHappenings(deps: {
  readonly logger: Logger;
  readonly metrics: { readonly messageIntake: MessageIntakeMetrics };
}): MessageIntakeHappenings {
  const { logger, metrics } = deps;
  return {
    messagesHandled: (result, count) => metrics.messageIntake.handled(result, count),
    messagesNotDeleted: (count) => metrics.messageIntake.notDeleted(count),
    messageIntakeBegan: ({ queueUrl }) =>
      logger.info({ queueUrl }, 'SQS: changes are received from this queue'),
    messageQueueDown: ({ queueUrl, call, sinceMs, fault }) => {
      const { code, message, details } = fault;
      logger.error(
        {
          queueUrl,
          since: new Date(sinceMs).toISOString(),
          fault: code,
          title: FAULTS[code].title,
          reason: message,
          details,
          remedy: FAULTS[code].remedy,
        },
        `SQS down: ${effectOf(call, code)}`,
      );
    },
    messageQueueUp: ({ queueUrl, downForMs }) =>
      logger.info({ queueUrl, downForMs: Math.round(downForMs) }, 'SQS up again: changes are received'),
    messageIntakePaused: ({ reason, detail }) =>
      logger.warn(
        { reason, detail, remedy: PAUSE_REMEDY[reason] },
        'SQS paused: nothing could be stored now, so no messages are asked for',
      ),
    messageIntakeResumed: ({ reason, pausedForMs }) =>
      logger.info(
        { reason, pausedForMs: Math.round(pausedForMs) },
        'SQS resumed: messages are asked for again',
      ),
  };
}
