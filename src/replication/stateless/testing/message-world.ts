// The world of replication/testing with a queue of messages instead of one of transfers, and a runner over both.
import type { Change } from '../../../core/change.ts';
import type { ObjectSource } from '../../../core/object-source.ts';
import type { ObjectTarget } from '../../../core/object-target.ts';
import type { Rule } from '../../../core/rule.ts';
import { MemoryMessageQueue } from '../../../messages/memory/memory-message-queue.ts';
import { MESSAGE_DOCUMENTS } from '../../../triggers/message-documents.ts';
import { RULE, SOURCE, World } from '../../testing/world.ts';
import type { Stores } from '../../copy-object.ts';
import { HeldMessage } from '../held-message.ts';
import type { MessageFate } from '../message-runner.ts';
import { openRunner, type Runner, type RunnerOptions } from '../open-runner.ts';
import { NOTHING_CARRIED } from '../carried.ts';
import type { StatelessWorkerOptions } from '../stateless-worker.ts';

export const GRACE_MS = 120_000;
/** After this a message is a dead letter. */
export const MAX_RECEIVES = 5;
const NEVER = new AbortController().signal;

type AllHappenings = RunnerOptions['happenings'] & StatelessWorkerOptions['happenings'];

interface WorldOptions extends Partial<
  Pick<
    RunnerOptions,
    | 'handOver'
    | 'send'
    | 'maxConcurrency'
    | 'maxAttempts'
    | 'maxCarriedBytes'
    | 'recheck'
    | 'backoffMs'
    | 'longestWaitMs'
    | 'takeoverGraceMs'
  >
> {
  readonly rules?: readonly Rule[];
  readonly source?: Partial<ObjectSource>;
  readonly target?: Partial<ObjectTarget>;
  readonly deleteBrake?: Pick<Stores['deleteBrake'], 'ask'>;
}

export class MessageWorld extends World {
  readonly deadLetters = new MemoryMessageQueue({ clock: this.clock });
  readonly messages = new MemoryMessageQueue({
    clock: this.clock,
    redrive: { maxReceiveCount: MAX_RECEIVES, deadLetters: this.deadLetters },
  });
  #heldCount = 0;

  /** A runner as a new process has it: it knows nothing of buckets and stores. */
  runner(options: WorldOptions = {}): Runner {
    const { rules = [RULE], source, target, deleteBrake, ...rest } = options;
    const stores = this.stores({
      ...(source === undefined ? {} : { source }),
      ...(target === undefined ? {} : { target }),
    });
    return openRunner({
      rules,
      stores: {
        ...stores,
        ...(deleteBrake === undefined ? {} : { deleteBrake: { ...deleteBrake, objectAppeared: () => {} } }),
      },
      clock: this.clock,
      random: { next: () => 1 },
      happenings: this.allHappenings(),
      documents: MESSAGE_DOCUMENTS,
      send: (message, signal) => this.messages.send([message], signal),
      handOver: null,
      maxConcurrency: 8,
      maxAttempts: 3,
      backoffMs: 1_000,
      graceMs: GRACE_MS,
      maxCarriedBytes: null,
      ...rest,
    });
  }

  allHappenings(): AllHappenings {
    // Any method is told in the same way.
    return this.happenings() as AllHappenings;
  }

  /** A message of a notification of these changes, held for two minutes. */
  held(changes: Partial<Change>[] = [{}], options: { readonly receiveCount?: number } = {}): HeldMessage {
    return this.holding(notificationOf(changes.map((change) => ({ ...CHANGE, ...change }))), options);
  }

  /** A message with this body. */
  holding(
    body: string,
    options: { readonly receiveCount?: number; readonly holdMs?: number } = {},
  ): HeldMessage {
    const { receiveCount = 1, holdMs = 120_000 } = options;
    const nowMs = this.clock.monotonicMs();
    this.#heldCount += 1;
    return new HeldMessage({
      id: `held-${this.#heldCount}`,
      body,
      receiveCount,
      sentAtMs: this.clock.nowMs(),
      heldSinceMonotonicMs: nowMs,
      leaseEndsAtMonotonicMs: nowMs + holdMs,
      endsByMonotonicMs: nowMs + 11 * 3_600_000,
    });
  }

  /** Takes everything out of the queue that can be received within `withinSec`, which then are over. */
  async sent(
    withinSec = 900,
  ): Promise<readonly { readonly body: string; readonly reason: string; readonly carried: object }[]> {
    this.clock.advance(withinSec * 1000);
    const received = await this.messages.receive({ max: 10, waitSec: 0, visibilitySec: 600 }, NEVER);
    await this.messages.delete(received, NEVER);
    return received.map(({ body }) => {
      const { replicator } = JSON.parse(body) as { replicator?: { reason?: string; ruleName?: string } };
      const { reason = '', ruleName: _, ...carried } = replicator ?? {};
      return { body, reason, carried };
    });
  }

  names(): string[] {
    return this.told.map(({ name }) => name);
  }
}

const CHANGE: Change = {
  ...SOURCE,
  kind: 'created',
  transport: 's3',
  occurredAtMs: null,
  sizeBytes: null,
  versionId: null,
  sequencer: null,
};

/** One notification with a record for each change. */
export function notificationOf(changes: readonly Change[]): string {
  const records = changes.flatMap((change) => {
    const document = JSON.parse(MESSAGE_DOCUMENTS.write(change, NOTHING_CARRIED, 'retry', null)) as {
      Records: unknown[];
    };
    return document.Records;
  });
  return JSON.stringify({ Records: records });
}

/** The fate in one word, with the fault where there is one. */
export function fateName(fate: MessageFate): string {
  return fate.kind === 'leave' ? `leave: ${fate.fault?.code ?? 'a record'}` : fate.kind;
}
