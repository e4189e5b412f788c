// A poller between a message queue and a transfer queue in memory, on a clock that the test moves. What is told is
// kept as short words.
import type { Clock } from '../../../core/clock.ts';
import type { MessageResult } from '../../../core/message-intake.ts';
import type { Rule } from '../../../core/rule.ts';
import { PLAIN_RULE } from '../../../core/testing/samples.ts';
import type { TransferQueue } from '../../../core/transfer-queue.ts';
import { ManualClock } from '../../../http/testing/manual-clock.ts';
import {
  MemoryMessageQueue,
  type MemoryMessageQueueOptions,
} from '../../../messages/memory/memory-message-queue.ts';
import { openMemoryQueue } from '../../../queues/memory/memory-queue.ts';
import { createIntake } from '../../../replication/accept-change.ts';
import { IntakeGate } from '../../../replication/intake-gate.ts';
import { SILENT_OVERLOAD } from '../../../replication/testing/silent-overload.ts';
import { SqsPoller } from '../sqs-poller.ts';
import { keyRecord } from '../../sample-documents.ts';

const RULE: Rule = { ...PLAIN_RULE, source: { ...PLAIN_RULE.source, bucket: 'photos' } };
const QUIET_TURNS = 20;
const MOST_TURNS = 20_000;

export interface PollerWorld {
  readonly clock: ManualClock;
  readonly messages: MemoryMessageQueue;
  readonly queue: TransferQueue;
  readonly gate: IntakeGate;
  readonly poller: SqsPoller;
  /** How many messages became what. */
  readonly results: Partial<Record<MessageResult, number>>;
  /** Beginnings and ends, and messages that were not deleted. */
  readonly told: string[];
  /** The queues whose first answer was told. */
  readonly begun: string[];
  send(...bodies: readonly (object | string)[]): Promise<void>;
  /** Keys of the transfers that are in the queue, in order. */
  keys(): Promise<string[]>;
  /** Resolves when `isSo` answers true; fails when it never does. */
  until(what: string, isSo: () => boolean | Promise<boolean>): Promise<void>;
  /** Lets everything run that does not wait for the clock. */
  settle(): Promise<void>;
  /** Stops the poller, and lets time pass meanwhile. */
  stop(): Promise<void>;
}

/** The body of an S3 notification about these keys of the bucket that the rule covers. */
export function notificationOf(...keys: readonly string[]): string {
  return JSON.stringify({ Records: keys.map((key) => keyRecord(key)) });
}

/** Starts the poller. `accept` takes the place of the durable insert. */
export function openPollerWorld(
  options: {
    readonly messages?: Omit<MemoryMessageQueueOptions, 'clock'>;
    readonly accept?: (own: TransferQueue['accept']) => TransferQueue['accept'];
    readonly checkWritable?: () => Promise<void>;
    readonly random?: number;
  } = {},
): PollerWorld {
  const clock = new ManualClock();
  const messages = new MemoryMessageQueue({ clock, ...options.messages });
  let lastId = 0;
  const own = openMemoryQueue({
    clock,
    leaseMs: 60_000,
    settleGraceMs: 5_000,
    smallMaxBytes: 1_000_000,
    newId: () => `transfer-${++lastId}`,
  });
  const ownAccept: TransferQueue['accept'] = async (request) => own.accept(request);
  const accept = options.accept?.(ownAccept) ?? ownAccept;
  const checkWritable = options.checkWritable ?? (async () => own.checkWritable());
  const queue = new Proxy(own, {
    get: (target, name) => {
      if (name === 'accept') return accept;
      if (name === 'checkWritable') return checkWritable;
      const value: unknown = Reflect.get(target, name);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
  const gate = new IntakeGate({ clock, happenings: SILENT_OVERLOAD });
  const results: Partial<Record<MessageResult, number>> = {};
  const told: string[] = [];
  const begun: string[] = [];
  const poller = new SqsPoller({
    queueUrl: 'https://sqs.eu-central-1.amazonaws.com/111122223333/changes',
    messages,
    acceptChanges: createIntake({ rules: [RULE], queue, happenings: SILENT_INTAKE }),
    queue,
    gate,
    rules: [RULE],
    clock,
    random: { next: () => options.random ?? 0.5 },
    happenings: {
      messagesHandled: (result, count) => void (results[result] = (results[result] ?? 0) + count),
      messagesNotDeleted: (count) => void told.push(`not deleted: ${count}`),
      messageIntakeBegan: ({ queueUrl }) => void begun.push(queueUrl),
      messageQueueDown: ({ fault }) => void told.push(`down: ${fault.code}`),
      messageQueueUp: () => void told.push('up'),
      messageIntakePaused: ({ reason }) => void told.push(`paused: ${reason}`),
      messageIntakeResumed: ({ reason }) => void told.push(`resumed: ${reason}`),
    },
  });
  poller.start();
  return {
    clock,
    messages,
    queue,
    gate,
    poller,
    results,
    told,
    begun,
    ...handles({ clock, messages, queue, poller }),
  };
}

function handles(parts: {
  readonly clock: ManualClock;
  readonly messages: MemoryMessageQueue;
  readonly queue: TransferQueue;
  readonly poller: SqsPoller;
}): Pick<PollerWorld, 'send' | 'keys' | 'until' | 'settle' | 'stop'> {
  const { clock, messages, queue, poller } = parts;
  const turn = async (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  return {
    async send(...bodies) {
      const texts = bodies.map((body) => (typeof body === 'string' ? body : JSON.stringify(body)));
      for (let from = 0; from < texts.length; from += 10) {
        const part = texts.slice(from, from + 10).map((body) => ({ body, delaySec: 0 }));
        await messages.send(part, new AbortController().signal);
      }
    },
    async keys() {
      const { transfers } = await queue.list({ filter: {}, cursor: null, limit: 1_000 });
      return transfers.map(({ source }) => source.key).toSorted();
    },
    async until(what, isSo) {
      for (let turns = 0; turns < MOST_TURNS; turns += 1) {
        if (await isSo()) return;
        await turn();
      }
      throw new Error(`It never came to this: ${what}`);
    },
    async settle() {
      for (let turns = 0; turns < QUIET_TURNS; turns += 1) await turn();
    },
    async stop() {
      const hasStopped = new AbortController();
      const stopped = poller.stop(25_000).finally(() => hasStopped.abort());
      for (let passedMs = 0; !hasStopped.signal.aborted && passedMs < 25_000; passedMs += 100) {
        for (let turns = 0; turns < QUIET_TURNS; turns += 1) await turn();
        clock.advance(100);
      }
      await stopped;
    },
  };
}

/** Lets this much time pass, a little at a time, as a machine does. */
export async function pass(
  world: { readonly clock: Clock & { advance(ms: number): void }; settle(): Promise<void> },
  ms: number,
): Promise<void> {
  for (let passedMs = 0; passedMs < ms; passedMs += 500) {
    world.clock.advance(500);
    await world.settle();
  }
}

const SILENT_INTAKE = {
  changeAccepted() {},
  changeIgnored() {},
  recordQuarantined() {},
} as unknown as Parameters<typeof createIntake>[0]['happenings'];
