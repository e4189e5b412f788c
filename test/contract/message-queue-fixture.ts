// What the checks of the message queue contract run on, and the small words they share.
import assert from 'node:assert/strict';
import type { MessageQueue, ReceivedMessage } from '../../src/core/message-queue.ts';

export interface QueueToOpen {
  readonly visibilitySec?: number;
  /** With it, a queue for dead letters is opened too. */
  readonly maxReceiveCount?: number;
}

export interface OpenedQueue {
  readonly queue: MessageQueue;
  readonly deadLetters: MessageQueue | null;
  /** Resolves as soon as a receive waits at the queue. */
  readonly untilPolled: () => Promise<void>;
}

/** A driver, and a way to make queues that nobody else uses. */
export interface MessageQueueFixture {
  open(options: QueueToOpen): Promise<OpenedQueue>;
  openMissing(): Promise<MessageQueue>;
  /** Lets time pass for the queues. */
  pass(ms: number): Promise<void>;
  nowMs(): number;
  close(): Promise<void>;
}

export type MessageQueueCheck = (fixture: MessageQueueFixture) => Promise<void>;

/** A signal that is never aborted. */
export function live(): AbortSignal {
  return new AbortController().signal;
}

/** A queue without dead letters. */
export async function openQueue(fixture: MessageQueueFixture, visibilitySec = 30): Promise<MessageQueue> {
  return (await fixture.open({ visibilitySec })).queue;
}

export async function sendBodies(queue: MessageQueue, bodies: readonly string[]): Promise<void> {
  await queue.send(
    bodies.map((body) => ({ body, delaySec: 0 })),
    live(),
  );
}

/** What can be received at once. */
export async function receiveNow(
  queue: MessageQueue,
  options: { readonly max?: number; readonly visibilitySec?: number } = {},
): Promise<readonly ReceivedMessage[]> {
  return queue.receive({ max: 10, waitSec: 0, visibilitySec: 30, ...options }, live());
}

/** Receives until there are `count`, which some servers give in several answers. */
export async function receiveAll(
  queue: MessageQueue,
  count: number,
  visibilitySec = 30,
): Promise<ReceivedMessage[]> {
  const received: ReceivedMessage[] = [];
  for (let call = 0; call < 20 && received.length < count; call += 1)
    received.push(...(await queue.receive({ max: 10, waitSec: 1, visibilitySec }, live())));
  assert.equal(received.length, count);
  return received;
}

/** The one message that can be received. */
export async function receiveOne(queue: MessageQueue, visibilitySec = 30): Promise<ReceivedMessage> {
  const [message] = await receiveAll(queue, 1, visibilitySec);
  assert.ok(message !== undefined);
  return message;
}
