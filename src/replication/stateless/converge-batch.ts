// Converges the messages of one invocation of a function until its deadline. Nothing of it runs on when it resolves:
// what has not ended by then was aborted, and its message is among the failed ones, so that the queue gives it out
// again. A message that is not named as failed is acknowledged by the caller (for Lambda: the event source mapping
// deletes what is not in `batchItemFailures`).
//
//   const { failures } = await convergeBatch(runner, clock, {
//     messages: event.Records.map((record) => ({
//       id: record.messageId,
//       body: record.body,
//       receiveCount: Number(record.attributes.ApproximateReceiveCount),
//       sentAtMs: Number(record.attributes.SentTimestamp),
//     })),
//     deadlineMonotonicMs: clock.monotonicMs() + context.getRemainingTimeInMillis() - RESERVE_MS,
//   });
//   return { batchItemFailures: failures.map(({ id }) => ({ itemIdentifier: id })) };
//
// The reserve is for what may follow the deadline: the copies of messages and the hand over to the service. Where S3
// calls the function itself, the event is one message (`id`: the request's id, `body`: the event as JSON text,
// `receiveCount: 1`), the runner has `send: null`, and any failure has to be thrown: AWS then calls again a minute
// later, which is the look after an effect that nobody answered.
import type { Clock } from '../../core/clock.ts';
import { HeldMessage, TimeIsUp } from './held-message.ts';
import type { MessageFate } from './message-runner.ts';
import type { Runner } from './open-runner.ts';

export interface BatchMessage {
  readonly id: string;
  readonly body: string;
  /** 1 for the first receipt. */
  readonly receiveCount: number;
  /** Unix milliseconds; null where the event does not tell. */
  readonly sentAtMs: number | null;
}

export interface BatchFailure {
  readonly id: string;
  /** `acknowledge` is never among them. */
  readonly fate: Exclude<MessageFate, { kind: 'acknowledge' }>;
}

/** Resolves soon after the deadline at the latest, with the messages that have to be received again, in their order. */
export async function convergeBatch(
  runner: Pick<Runner, 'run'>,
  clock: Clock,
  batch: { readonly messages: readonly BatchMessage[]; readonly deadlineMonotonicMs: number },
): Promise<{ readonly failures: readonly BatchFailure[] }> {
  const { messages, deadlineMonotonicMs } = batch;
  const heldSinceMonotonicMs = clock.monotonicMs();
  const held = messages.map(
    (message) =>
      new HeldMessage({
        ...message,
        heldSinceMonotonicMs,
        leaseEndsAtMonotonicMs: deadlineMonotonicMs,
        endsByMonotonicMs: deadlineMonotonicMs,
      }),
  );
  const isOver = new AbortController();
  const alarm = endAt(held, clock, deadlineMonotonicMs - heldSinceMonotonicMs, isOver.signal);
  try {
    const fates = await Promise.all(held.map((message) => runner.run(message)));
    const failures = fates.flatMap((fate, place): BatchFailure[] => {
      const id = messages[place]?.id;
      return fate.kind === 'acknowledge' || id === undefined ? [] : [{ id, fate }];
    });
    return { failures };
  } finally {
    isOver.abort();
    await alarm;
  }
}

/** Ends all work on the messages after so long, unless everything is over before. */
async function endAt(
  held: readonly HeldMessage[],
  clock: Clock,
  ms: number,
  isOver: AbortSignal,
): Promise<void> {
  try {
    await clock.sleep(Math.max(0, ms), isOver);
  } catch {
    return;
  }
  for (const message of held) message.end(new TimeIsUp('The function has no time left'));
}
