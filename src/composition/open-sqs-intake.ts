// The intake from SQS put together: the queue, who may ask it, and where its changes go.
import type { CredentialsProvider } from '../aws/credentials.ts';
import type { Config } from '../config/config.ts';
import type { MessageIntakeState } from '../core/message-intake.ts';
import type { TransferQueue } from '../core/transfer-queue.ts';
import { openSqsMessageQueue } from '../messages/sqs/sqs-message-queue.ts';
import type { AcceptChanges } from '../replication/accept-change.ts';
import type { IntakeGate } from '../replication/intake-gate.ts';
import { SYSTEM_CLOCK as clock, SYSTEM_RANDOM as random } from '../system-clock.ts';
import type { Logger } from '../telemetry/logger.ts';
import { createMessageIntakeHappenings } from '../telemetry/message-intake-happenings.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { MOST_RECEIVERS, SqsPoller } from '../triggers/sqs/sqs-poller.ts';

/** What acknowledges, extends and asks for facts beside the receives. */
const OTHER_CONNECTIONS = 8;

export interface SqsIntake {
  /** Null where no queue is configured, or this process does not ask it. */
  state(): MessageIntakeState | null;
  /** Begins to ask. Call once. */
  start(): void;
  /** Resolves when every message received is stored and deleted, or given back, within the grace. */
  stop(graceMs: number): Promise<void>;
}

/**
 * Opens the configured queue; it is closed with `opened`, and `stop` has to be called before. Whether it exists shows
 * when it is asked: the service starts without it too.
 */
export async function openSqsIntake(
  parts: {
    readonly config: Config;
    /** False where other processes do it. */
    readonly isPolled: boolean;
    readonly credentials: CredentialsProvider;
    readonly acceptChanges: AcceptChanges;
    readonly queue: TransferQueue;
    readonly gate: IntakeGate;
    readonly logger: Logger;
    readonly metrics: Metrics;
  },
  opened: AsyncDisposableStack,
): Promise<SqsIntake> {
  const { config, isPolled, credentials, acceptChanges, queue, gate, logger, metrics } = parts;
  const { sqs } = config.intake;
  if (sqs === null || !isPolled) return { state: () => null, start() {}, stop: async () => {} };
  const { queueUrl } = sqs;
  const connections = MOST_RECEIVERS + OTHER_CONNECTIONS;
  const messages = opened.adopt(
    await openSqsMessageQueue({ ...sqs, credentials, clock, connections }),
    (open) => open.close(),
  );
  const poller = new SqsPoller({
    queueUrl,
    messages,
    acceptChanges,
    queue,
    gate,
    rules: config.rules,
    clock,
    random,
    happenings: createMessageIntakeHappenings({ logger, metrics }),
  });
  metrics.messageIntake.watch(() => poller.state());
  return {
    state: () => poller.state(),
    start: () => poller.start(),
    stop: async (graceMs) => poller.stop(graceMs),
  };
}
