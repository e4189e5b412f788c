// Dead letters sent back: a task that moves what is in a queue for dead letters, done as soon as it is started.
import { randomUUID } from 'node:crypto';
import { optionalNumber, optionalText, requiredText } from './request-fields.ts';
import { SqsError } from './sqs-errors.ts';
import { queueByArn, type SqsAction, type SqsState } from './sqs-state.ts';
import type { StoredQueue } from './stored-queue.ts';

export const startMessageMoveTask: SqsAction = (state, { fields }) => {
  const sourceArn = requiredText(fields, 'SourceArn');
  const destinationArn = optionalText(fields, 'DestinationArn');
  const source = requireByArn(state, sourceArn, 'SourceArn');
  const isForDeadLetters = [...state.queues.values()].some(
    ({ attributes }) => attributes.redrive?.deadLetterTargetArn === sourceArn,
  );
  if (!isForDeadLetters)
    throw new SqsError('InvalidParameterValue', 'Source queue must be configured as a Dead Letter Queue.');
  const destination = destinationArn === null ? null : requireByArn(state, destinationArn, 'DestinationArn');
  const messages = source.takeAllReady();
  for (const message of messages) {
    const home = destination ?? queueByArn(state, message.deadFromArn ?? '');
    (home ?? source).takeOver(message, { deadFromArn: null });
  }
  const handle = Buffer.from(JSON.stringify({ taskId: randomUUID(), sourceArn })).toString('base64');
  state.moveTasks.unshift({
    handle,
    sourceArn,
    destinationArn,
    movedCount: messages.length,
    startedMs: state.clock.nowMs(),
  });
  return { TaskHandle: handle };
};

export const listMessageMoveTasks: SqsAction = (state, { fields }) => {
  const sourceArn = requiredText(fields, 'SourceArn');
  requireByArn(state, sourceArn, 'SourceArn');
  const most = optionalNumber(fields, 'MaxResults') ?? 1;
  const tasks = state.moveTasks.filter((task) => task.sourceArn === sourceArn).slice(0, most);
  return {
    Results: tasks.map((task) => ({
      Status: 'COMPLETED',
      SourceArn: task.sourceArn,
      ...(task.destinationArn === null ? {} : { DestinationArn: task.destinationArn }),
      ApproximateNumberOfMessagesMoved: task.movedCount,
      ApproximateNumberOfMessagesToMove: task.movedCount,
      StartedTimestamp: task.startedMs,
    })),
  };
};

function requireByArn(state: SqsState, arn: string, name: string): StoredQueue {
  const queue = queueByArn(state, arn);
  if (queue !== null) return queue;
  throw new SqsError(
    'ResourceNotFoundException',
    `The resource that you specified for the ${name} parameter doesn't exist.`,
  );
}
