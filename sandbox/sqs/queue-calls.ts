// Queues themselves: make, find, list, look at, change, empty, delete.
import { optionalNumber, optionalText, requiredText, textList, textMap } from './request-fields.ts';
import { invalidParameter, SqsError } from './sqs-errors.ts';
import {
  makeQueue,
  queueByArn,
  requireQueue,
  requireQueueByName,
  type SqsAction,
  type SqsState,
  urlOf,
} from './sqs-state.ts';
import type { StoredQueue } from './stored-queue.ts';

/** A name is free again, and a queue can be emptied again, so long after the last time. */
const quietMs = 60_000;

export const createQueue: SqsAction = (state, { fields }) => {
  const name = requiredText(fields, 'QueueName');
  const attributes = textMap(fields, 'Attributes');
  const existing = state.queues.get(name);
  if (existing !== undefined) {
    const different = existing.attributes.difference(attributes);
    if (different !== null)
      throw new SqsError(
        'QueueNameExists',
        `A queue already exists with the same name and a different value for attribute ${different}`,
      );
    return { QueueUrl: urlOf(state, name) };
  }
  const deletedMs = state.deletedMs.get(name);
  if (deletedMs !== undefined && state.clock.nowMs() - deletedMs < quietMs)
    throw new SqsError(
      'QueueDeletedRecently',
      'You must wait 60 seconds after deleting a queue before you can create another with the same name.',
    );
  checkDeadLetterQueue(state, attributes);
  makeQueue(state, name, attributes);
  return { QueueUrl: urlOf(state, name) };
};

export const getQueueUrl: SqsAction = (state, { fields }) => {
  const owner = optionalText(fields, 'QueueOwnerAWSAccountId') ?? state.accountId;
  const { name } = requireQueueByName(
    state,
    owner === state.accountId ? requiredText(fields, 'QueueName') : '',
  );
  return { QueueUrl: urlOf(state, name) };
};

export const listQueues: SqsAction = (state, { fields }) => {
  const prefix = optionalText(fields, 'QueueNamePrefix') ?? '';
  const most = optionalNumber(fields, 'MaxResults') ?? 1000;
  const after = optionalText(fields, 'NextToken') ?? '';
  const names = [...state.queues.keys()].filter((name) => name.startsWith(prefix) && name > after).sort();
  const page = names.slice(0, most);
  return {
    QueueUrls: page.map((name) => urlOf(state, name)),
    ...(names.length > most ? { NextToken: page.at(-1) } : {}),
  };
};

export const getQueueAttributes: SqsAction = (state, { fields }) => {
  const queue = requireQueue(state, fields);
  const asked = textList(fields, 'AttributeNames');
  const all = attributesOf(queue);
  const unknown = asked.find((name) => name !== 'All' && !(name in all) && !mayBeAbsent.has(name));
  if (unknown !== undefined) throw new SqsError('InvalidAttributeName', `Unknown Attribute ${unknown}.`);
  const chosen = Object.entries(all).filter(([name]) => asked.includes('All') || asked.includes(name));
  return chosen.length === 0 ? {} : { Attributes: Object.fromEntries(chosen) };
};

/** Attributes that can be asked for but are not told where they have no value. */
const mayBeAbsent = new Set([
  'ContentBasedDeduplication',
  'DeduplicationScope',
  'FifoQueue',
  'FifoThroughputLimit',
  'KmsDataKeyReusePeriodSeconds',
  'KmsMasterKeyId',
  'Policy',
  'RedriveAllowPolicy',
  'RedrivePolicy',
]);

function attributesOf(queue: StoredQueue): Record<string, string> {
  const { ready, delayed, in_flight: inFlight } = queue.places;
  return {
    ...queue.attributes.all(),
    QueueArn: queue.arn,
    ApproximateNumberOfMessages: String(ready),
    ApproximateNumberOfMessagesDelayed: String(delayed),
    ApproximateNumberOfMessagesNotVisible: String(inFlight),
    CreatedTimestamp: String(Math.floor(queue.createdMs / 1000)),
    LastModifiedTimestamp: String(Math.floor(queue.modifiedMs / 1000)),
  };
}

export const setQueueAttributes: SqsAction = (state, { fields }) => {
  const queue = requireQueue(state, fields);
  const attributes = textMap(fields, 'Attributes');
  if ('FifoQueue' in attributes && attributes['FifoQueue'] !== String(queue.attributes.isFifo))
    throw new SqsError(
      'InvalidAttributeValue',
      'Invalid value for the parameter FifoQueue. Reason: Modifying queue type is not supported.',
    );
  checkDeadLetterQueue(state, attributes);
  queue.attributes.set(attributes);
  queue.modifiedMs = state.clock.nowMs();
  return {};
};

export const purgeQueue: SqsAction = (state, { fields }) => {
  const queue = requireQueue(state, fields);
  if (queue.purgedMs !== null && state.clock.nowMs() - queue.purgedMs < quietMs)
    throw new SqsError(
      'PurgeQueueInProgress',
      `Only one PurgeQueue operation on ${queue.name} is allowed every 60 seconds.`,
    );
  queue.purge();
  return {};
};

export const deleteQueue: SqsAction = (state, { fields }) => {
  const queue = requireQueue(state, fields);
  queue.purge();
  state.queues.delete(queue.name);
  state.deletedMs.set(queue.name, state.clock.nowMs());
  return {};
};

/** The queue for dead letters must exist when it is named. */
function checkDeadLetterQueue(state: SqsState, attributes: Readonly<Record<string, string>>): void {
  const text = attributes['RedrivePolicy'];
  const arn = text === undefined ? undefined : /"deadLetterTargetArn"\s*:\s*"([^"]+)"/.exec(text)?.[1];
  if (text === undefined || arn === undefined || !arn.startsWith(`arn:aws:sqs:${state.region}:`)) return;
  if (queueByArn(state, arn) === null)
    throw invalidParameter('RedrivePolicy', text, 'Dead letter target does not exist.');
}
