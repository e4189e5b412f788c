// May the queue be used as the service or a worker uses it? No message is taken from anybody: receiving is tried only
// while none waits, because a receipt counts towards the dead letters; deleting with a receipt that nobody has.
import type { MessageQueueFacts } from '../core/message-queue.ts';
import { type CheckResult, check, failed, ok, skipped, warning } from './check-result.ts';
import type { DoctorParts } from './doctor-parts.ts';

const NOBODYS_RECEIPT = { id: 'doctor', receipt: 'replicator-doctor' };
/** Below this a short trouble sends good messages to the dead letters. */
const FEW_RECEIPTS = 3;
const DAY_SEC = 86_400;

export async function* checkQueue(
  queue: NonNullable<DoctorParts['queue']>,
  signal: AbortSignal,
): AsyncGenerator<CheckResult> {
  const { messages, url } = queue;
  let facts: MessageQueueFacts | null = null;
  const told = await check({ name: `queue: ${url}`, call: 'sqs:GetQueueAttributes' }, async () => {
    facts = await messages.facts(signal);
    return judgeFacts(facts);
  });
  yield told;
  if (told.state === 'failed' && told.code !== 'queue_denied') return;
  yield await checkReceiving(messages, facts, signal);
  const unknown = 'allowed, tried with a receipt that no message has';
  yield await check(
    { name: 'queue: deleting', call: 'sqs:DeleteMessage' },
    async () => {
      await messages.delete([NOBODYS_RECEIPT], signal);
      return ok(unknown);
    },
    refusedReceipt,
  );
  yield await check(
    { name: 'queue: keeping for longer', call: 'sqs:ChangeMessageVisibility' },
    async () => {
      await messages.changeVisibility([{ ...NOBODYS_RECEIPT, visibilitySec: 0 }], signal);
      return ok(unknown);
    },
    refusedReceipt,
  );
}

/** A request that is refused for its receipt got past the question whether it is allowed. */
function refusedReceipt({ code }: { readonly code: string }): ReturnType<typeof ok> | null {
  return code === 'queue_refused' ? ok('allowed, refused only for its receipt') : null;
}

function judgeFacts(facts: MessageQueueFacts): ReturnType<typeof ok> {
  const { isFifo, visibilitySec, maxReceiveCount, retentionSec, waiting } = facts;
  if (isFifo)
    return failed(
      'The queue is first in, first out',
      'Make a standard queue: S3 sends to no other, and workers need delayed messages, which such a queue does not take.',
    );
  const kept = retentionSec === null ? '' : `, kept ${Math.floor(retentionSec / DAY_SEC)} days`;
  const seen = `hidden ${visibilitySec} s${kept}, ${waiting ?? 'an unknown number of'} messages waiting`;
  if (maxReceiveCount === null)
    return warning(
      `${seen}; it has no queue for dead letters`,
      'Give it a redrive policy (maxReceiveCount 5, a queue that keeps 14 days): without one a message that can never be handled comes back until it expires.',
    );
  if (maxReceiveCount < FEW_RECEIPTS)
    return warning(
      `${seen}; dead letters after ${maxReceiveCount} receipts`,
      'Set maxReceiveCount to 5: with fewer a short trouble moves good messages there.',
    );
  if (retentionSec !== null && retentionSec < DAY_SEC)
    return warning(seen, 'Raise the retention to days: after an outage older messages are lost.');
  return ok(`${seen}, dead letters after ${maxReceiveCount} receipts`);
}

async function checkReceiving(
  messages: NonNullable<DoctorParts['queue']>['messages'],
  facts: MessageQueueFacts | null,
  signal: AbortSignal,
): Promise<CheckResult> {
  const subject = { name: 'queue: receiving', call: 'sqs:ReceiveMessage (no wait, visible again at once)' };
  if (facts?.waiting !== 0)
    return {
      ...subject,
      ...skipped('Messages wait, or it is not known: taking one would count towards its dead letters'),
    };
  return check(subject, async () => {
    await messages.receive({ max: 1, waitSec: 0, visibilitySec: 0 }, signal);
    return ok('allowed');
  });
}
