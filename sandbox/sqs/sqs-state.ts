// What all calls share: the queues of one account in one region, the clock, and what is denied.
import type { SandboxClock } from '../sandbox-clock.ts';
import { QueueAttributes } from './queue-attributes.ts';
import { type Fields, requiredText } from './request-fields.ts';
import { SqsError } from './sqs-errors.ts';
import { StoredQueue } from './stored-queue.ts';

export interface MoveTask {
  readonly handle: string;
  readonly sourceArn: string;
  /** Null: back to where each message came from. */
  readonly destinationArn: string | null;
  readonly movedCount: number;
  readonly startedMs: number;
}

export interface SqsState {
  readonly region: string;
  readonly accountId: string;
  readonly clock: SandboxClock;
  readonly staleReceipts: 'ignored' | 'refused';
  /** By name. */
  readonly queues: Map<string, StoredQueue>;
  /** When a queue of that name was deleted. */
  readonly deletedMs: Map<string, number>;
  /** Newest first. */
  readonly moveTasks: MoveTask[];
  /** Actions that the identity may not take. */
  readonly denied: Set<string>;
  /** Where the service is; no slash at the end. */
  url(): string;
}

/** One call as its action sees it. */
export interface SqsCall {
  readonly fields: Fields;
  /** Aborted once the caller is gone. */
  readonly gone: AbortSignal;
}

export type SqsAction = (state: SqsState, call: SqsCall) => object | Promise<object>;

/** The address of a queue in this service. */
export function urlOf(state: SqsState, name: string): string {
  return `${state.url()}/${state.accountId}/${name}`;
}

export function arnOf(state: SqsState, name: string): string {
  return `arn:aws:sqs:${state.region}:${state.accountId}:${name}`;
}

/** Makes a queue. Throws for a name or an attribute that cannot be. */
export function makeQueue(
  state: SqsState,
  name: string,
  attributes: Readonly<Record<string, string>>,
): StoredQueue {
  if (!/^[\w-]{1,80}$|^[\w-]{1,75}\.fifo$/.test(name))
    throw new SqsError(
      'InvalidParameterValue',
      'Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length',
    );
  const queue = new StoredQueue(name, arnOf(state, name), new QueueAttributes(name, attributes), state.clock);
  queue.staleReceipts = state.staleReceipts;
  state.queues.set(name, queue);
  return queue;
}

/** The queue that a request names by its address. Throws QueueDoesNotExist. */
export function requireQueue(state: SqsState, fields: Fields): StoredQueue {
  return requireQueueByName(state, requiredText(fields, 'QueueUrl').split('/').at(-1) ?? '');
}

export function requireQueueByName(state: SqsState, name: string): StoredQueue {
  const queue = state.queues.get(name);
  if (queue === undefined) throw new SqsError('QueueDoesNotExist', 'The specified queue does not exist.');
  return queue;
}

/** Null where no queue of this account has the ARN. */
export function queueByArn(state: SqsState, arn: string): StoredQueue | null {
  return [...state.queues.values()].find((queue) => queue.arn === arn) ?? null;
}
