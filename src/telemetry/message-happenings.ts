// What shells tell that work straight from messages, as log lines and metrics, each at once.
import { FAULTS } from '../core/faults.ts';
import type { MessageHappenings } from '../core/message-happenings.ts';
import { factsOf, factsOfFault } from './event-facts.ts';
import type { Logger } from './logger.ts';
import type { MessageMetrics } from './message-metrics.ts';

const LOOK_AGAIN_REASONS = {
  taken_over: 'somebody else had the message before, and what it sent may still arrive',
  unanswered: 'an answer of the target was lost',
  left: 'the rest of its message is done',
} as const;

const GIVEN_BACK_TEXT = {
  shutdown: 'given back to the queue: the process stops',
  no_time: 'given back to the queue: there is no time left for it',
} as const;

/** Writes each event to the log and counts it. */
export function createMessageHappenings(deps: {
  readonly logger: Logger;
  readonly metrics: MessageMetrics;
}): MessageHappenings {
  const { logger, metrics } = deps;
  return {
    lookAgainSent: (event) => {
      const { reason, delaySec } = event;
      metrics.lookAgainSent(reason);
      logger.info(
        { ...factsOf(event), delaySec, reason: LOOK_AGAIN_REASONS[reason] },
        'sent to the queue once more: one more look follows',
      );
    },
    transferLeft: (event) => {
      const { fault, attemptCount, receiveCount } = event;
      metrics.transferLeft(fault.code);
      if (fault.code === 'delete_brake') {
        // The trip was told once, as an error.
        logger.info(
          { ...factsOf(event), receiveCount, ...factsOfFault(fault) },
          'held: the delete brake is tripped, the message stays in the queue',
        );
        return;
      }
      logger.error(
        {
          ...factsOf(event),
          attemptCount,
          receiveCount,
          ...factsOfFault(fault),
          remedy: FAULTS[fault.code].remedy,
          // Only what nobody expected needs the place in the code.
          ...(fault.code === 'bug' || fault.code === 'unexpected' ? { err: fault.cause ?? fault } : {}),
        },
        'failed: the message stays in the queue, for its dead-letter policy',
      );
    },
    transferHandedOver: (event) => {
      metrics.handedOver();
      logger.info({ ...factsOf(event), reason: event.reason }, 'handed over to the service');
    },
    transferGivenBack: (event) => {
      logger.info(factsOf(event), GIVEN_BACK_TEXT[event.reason]);
    },
    recordLeft: ({ messageId, receiveCount, reason, rawStart }) => {
      metrics.recordLeft();
      logger.error(
        { messageId, receiveCount, reason, record: rawStart },
        'a record could not be understood: the message stays in the queue, for its dead-letter policy',
      );
    },
  };
}
