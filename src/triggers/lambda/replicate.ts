// The Lambda function that replicates: one invocation, one batch of messages or one event, converged until shortly
// before its deadline. What did not end well comes back to AWS: of an SQS batch the messages that failed, of any other
// event the whole invocation as an error, which AWS makes again a minute later.
import type { Clock } from '../../core/clock.ts';
import { type Fault, FAULTS } from '../../core/faults.ts';
import type { ReceivedMessage } from '../../core/message-queue.ts';
import { maskSecretShapes } from '../../core/secret-shapes.ts';
import { type BatchFailure, convergeBatch } from '../../replication/stateless/converge-batch.ts';
import type { Runner } from '../../replication/stateless/open-runner.ts';
import type { InvocationContext } from './post-to-intake.ts';
import { answerBatch, type BatchAnswer, type BatchMessage, readSqsBatch } from './sqs-batch.ts';

/** Kept for what may follow the last attempt: sending messages again, handing an object over, the answer itself. */
const LONGEST_RESERVE_MS = 10_000;
/** Of a short time not more than this part is kept. */
const RESERVE_SHARE = 0.25;
/** As long as any function may run: where nobody tells the time there is at least no end of it. */
export const LONGEST_INVOCATION_MS = 900_000;

/** The queue that messages of batches come from. */
export interface BatchQueue {
  /** Its name, the last part of its address. */
  readonly name: string;
  readonly runner: Pick<Runner, 'run'>;
  /** Lets messages be received again at once; resolves also where that could not be done. */
  giveBack(messages: readonly Pick<ReceivedMessage, 'id' | 'receipt'>[]): Promise<void>;
}

export interface ReplicatorParts {
  /** Null where no queue is configured: a batch of one is then refused. */
  readonly queue: BatchQueue | null;
  /** For events that come from no queue. */
  readonly runner: Pick<Runner, 'run'>;
  readonly clock: Clock;
  /** Told of batches of which some messages come back. */
  readonly onPartlyDone: (batch: BatchReport) => void;
}

export interface BatchReport {
  readonly requestId: string;
  readonly messages: number;
  /** Left for the queue's dead-letter policy, and given back without having failed. */
  readonly left: number;
  readonly givenBack: number;
  /** The first failure; null where nothing failed. */
  readonly fault: Fault | null;
}

/** What an invocation answers that was called without a queue. */
export interface EventAnswer {
  readonly done: true;
}

/** The invocation has to be made again; the message names the reason and the remedy. */
export class ReplicateError extends Error {
  override readonly name = 'ReplicateError';
}

/**
 * Builds the handler. Resolves where everything ended well, or, for an SQS batch, where anything did: the answer names
 * the messages that come back. Rejects with a ReplicateError.
 */
export function createReplicator(
  parts: ReplicatorParts,
): (event: unknown, context: InvocationContext) => Promise<BatchAnswer | EventAnswer> {
  return async (event, context) => {
    if (event === undefined) throw new ReplicateError('The function was called without an event: pass one.');
    const deadlineMonotonicMs = deadlineOf(parts.clock, context);
    const batch = readSqsBatch(event);
    return batch === null
      ? replicateEvent(parts, event, context, deadlineMonotonicMs)
      : replicateBatch(parts, batch, context, deadlineMonotonicMs);
  };
}

/** When the last attempt has to be over, by the monotonic clock. */
function deadlineOf(clock: Clock, context: InvocationContext): number {
  const remainingMs = context.getRemainingTimeInMillis?.() ?? LONGEST_INVOCATION_MS;
  const reserveMs = Math.min(LONGEST_RESERVE_MS, remainingMs * RESERVE_SHARE);
  return clock.monotonicMs() + Math.max(0, remainingMs - reserveMs);
}

async function replicateBatch(
  { queue, clock, onPartlyDone }: ReplicatorParts,
  batch: readonly BatchMessage[],
  context: InvocationContext,
  deadlineMonotonicMs: number,
): Promise<BatchAnswer> {
  if (queue === null)
    throw new ReplicateError(
      'SQS_QUEUE_URL is not set, and a look at an object that is due later has to be sent to a queue: set it to the address of the queue that calls this function, and allow the function sqs:SendMessage and sqs:ChangeMessageVisibility on it.',
    );
  refuseOthers(queue.name, batch);
  const messages = batch.map(({ messageId: id, body, receiveCount, sentAtMs }) => ({
    id,
    body,
    receiveCount,
    sentAtMs,
  }));
  const { failures } = await convergeBatch(queue.runner, clock, { messages, deadlineMonotonicMs });
  const isGivenBack = new Set(failures.flatMap(({ id, fate }) => (fate.kind === 'give_back' ? [id] : [])));
  if (isGivenBack.size > 0)
    await queue.giveBack(
      batch
        .filter(({ messageId, receiptHandle }) => isGivenBack.has(messageId) && receiptHandle !== '')
        .map(({ messageId: id, receiptHandle: receipt }) => ({ id, receipt })),
    );
  if (failures.length === batch.length) throw invocationFailure(failures);
  if (failures.length > 0)
    onPartlyDone({
      requestId: context.awsRequestId ?? '',
      messages: batch.length,
      left: failures.length - isGivenBack.size,
      givenBack: isGivenBack.size,
      fault: firstFault(failures),
    });
  return answerBatch(failures.map(({ id }) => id));
}

/** What has to be looked at later is sent to the queue of the settings: in another one nobody might ever find it. */
function refuseOthers(name: string, batch: readonly BatchMessage[]): void {
  const other = batch.find(({ queueName }) => queueName !== null && queueName !== name)?.queueName;
  if (other === undefined) return;
  throw new ReplicateError(
    `The batch comes from the queue ${other}, and SQS_QUEUE_URL names ${name}: a look that is due later would be sent where this batch does not come from. Set SQS_QUEUE_URL to the address of ${other}, and give each queue a function of its own.`,
  );
}

async function replicateEvent(
  { runner, clock }: ReplicatorParts,
  event: unknown,
  context: InvocationContext,
  deadlineMonotonicMs: number,
): Promise<EventAnswer> {
  const message = {
    id: context.awsRequestId ?? 'event',
    body: JSON.stringify(event),
    // AWS does not tell whether it has made the invocation before.
    receiveCount: 1,
    sentAtMs: null,
  };
  const { failures } = await convergeBatch(runner, clock, { messages: [message], deadlineMonotonicMs });
  if (failures.length > 0) throw invocationFailure(failures);
  return { done: true };
}

function firstFault(failures: readonly BatchFailure[]): Fault | null {
  for (const { fate } of failures) if (fate.kind === 'leave' && fate.fault !== null) return fate.fault;
  return null;
}

/** The error for an invocation of which nothing is done. */
function invocationFailure(failures: readonly BatchFailure[]): ReplicateError {
  const fault = firstFault(failures);
  if (fault !== null) {
    const { title, remedy } = FAULTS[fault.code];
    const message = `${title} (${fault.code}): ${fault.message.replace(/\.$/, '')}. ${remedy}`;
    // Lambda writes the error into the log as it is.
    return new ReplicateError(maskSecretShapes(message, '[secret]'));
  }
  return failures.some(({ fate }) => fate.kind === 'leave')
    ? new ReplicateError(
        'Nothing in the event could be understood; the log has the records and the reasons. Check what is sent to this function.',
      )
    : new ReplicateError(
        'The function has no time left, and nothing failed: it is called again. Give it a longer timeout, or smaller batches.',
      );
}
