// Where the independent SQS servers differ from the real service, one line per check of the contract that cannot run
// there. Each was seen to fail for the reason given; a check is skipped or runs as it is, never with less to assert.
import type { MessageQueueCheckName } from '../contract/message-queue.contract.ts';

export type QueueDeviations = Readonly<Partial<Record<MessageQueueCheckName, string>>>;

/** LocalStack 2026.3.0. */
export const LOCALSTACK_QUEUE: QueueDeviations = {
  'an older receipt deletes nothing': 'It deletes the message by an older receipt too.',
};
