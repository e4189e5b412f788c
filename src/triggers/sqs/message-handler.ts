// What happens with messages that arrived together: stored in one transaction, then deleted, never the other way round.
// What cannot be stored is left to the queue, which gives it again; what only this service cannot digest is kept in the
// quarantine, so that no message comes for ever.
import type { Change, ParsedChanges } from '../../core/change.ts';
import type { Clock } from '../../core/clock.ts';
import { Fault, toFault } from '../../core/faults.ts';
import type { MessageIntakeHappenings, MessageResult } from '../../core/message-intake.ts';
import type { MessageQueue, ReceivedMessage } from '../../core/message-queue.ts';
import { type Rule, ruleMatches } from '../../core/rule.ts';
import type { TransferQueue } from '../../core/transfer-queue.ts';
import { untilAborted } from '../../core/until-aborted.ts';
import type { AcceptChanges } from '../../replication/accept-change.ts';
import type { IntakeGate } from '../../replication/intake-gate.ts';
import type { QueueTrouble } from '../../replication/queue-trouble.ts';
import { joinChanges, readMessage } from './read-message.ts';

/** Hidden for so long at a time; a process that dies delays its messages by this. */
export const VISIBILITY_SEC = 30;
/** Hidden again this often while they are being stored. */
const EXTEND_MS = 10_000;
/** What could not be stored can be received again after this, by whoever can store. */
const RETURN_SEC = 5;
/** Receipts of a message that cannot be stored although others can, after which it is kept in the quarantine. */
const POISON_RECEIPTS = 3;
const ROOM_MS = 100;
const GIVE_BACK_MS = 2_000;
/** Messages remembered as stored though they could not be deleted; a forgotten one costs a look. */
const REMEMBERED = 20_000;

export interface MessageHandlerOptions {
  readonly messages: MessageQueue;
  readonly acceptChanges: AcceptChanges;
  readonly queue: Pick<TransferQueue, 'checkWritable'>;
  readonly gate: Pick<IntakeGate, 'hasRoomFor' | 'holdChanges' | 'changesStored'>;
  readonly rules: readonly Rule[];
  readonly clock: Clock;
  readonly happenings: MessageIntakeHappenings;
  readonly trouble: QueueTrouble;
  /** Aborted when the grace of a shutdown is over: from then on messages are only given back. */
  readonly cut: AbortSignal;
}

interface ReadMessage {
  readonly message: ReceivedMessage;
  readonly parsed: ParsedChanges;
}

export class MessageHandler {
  readonly #options: MessageHandlerOptions;
  readonly #stored = new Set<string>();
  #storeProblem: string | null = null;

  constructor(options: MessageHandlerOptions) {
    this.#options = options;
  }

  /** Why nothing could be stored the last time; null where it could. */
  get storeProblem(): string | null {
    return this.#storeProblem;
  }

  /** Asks whether changes can be stored again. */
  async probeStore(): Promise<void> {
    try {
      await this.#options.queue.checkWritable();
      this.#storeProblem = null;
    } catch (error) {
      this.#storeProblem = describe(error);
    }
  }

  /** Resolves when each message is stored and deleted, or left to the queue. Takes MESSAGES_PER_CALL at most. */
  async handle(messages: readonly ReceivedMessage[]): Promise<void> {
    const { happenings, cut } = this.#options;
    const done = new AbortController();
    const hidden = this.#keepHidden(messages, AbortSignal.any([done.signal, cut]));
    const known = messages.filter(({ id }) => this.#stored.has(id));
    const fresh = messages.filter(({ id }) => !this.#stored.has(id));
    this.#tell('repeated', known.length);
    const stored = await this.#store(fresh);
    for (const { id } of stored) this.#remember(id);
    await this.#delete([...known, ...stored]);
    done.abort();
    await hidden;
    const left = fresh.filter((message) => !stored.includes(message));
    if (left.length === 0) return;
    happenings.messagesHandled('returned', left.length);
    await this.#giveBack(left);
  }

  async #store(messages: readonly ReceivedMessage[]): Promise<readonly ReceivedMessage[]> {
    const read = messages.map((message) => ({ message, parsed: readMessage(message.body) }));
    const problem = await this.#accept(joinChanges(read.map(({ parsed }) => parsed)));
    if (problem === null) {
      for (const one of read) this.#tell(this.#resultOf(one), 1);
      return messages;
    }
    if (this.#options.cut.aborted) return [];
    await this.probeStore();
    if (this.#storeProblem !== null) return [];
    // Changes can be stored, so it is one of the messages that cannot: the others must not wait for it.
    const stored: ReceivedMessage[] = [];
    for (const one of read) if (await this.#storeAlone(one)) stored.push(one.message);
    return stored;
  }

  async #storeAlone(one: ReadMessage): Promise<boolean> {
    const problem = await this.#accept(one.parsed);
    if (problem === null) {
      this.#tell(this.#resultOf(one), 1);
      return true;
    }
    // A store that fails now and then must make no waste of a good message.
    if (one.message.receiveCount < POISON_RECEIPTS) return false;
    const reason = `the service cannot store what the message says: ${describe(problem.error)}`;
    const malformed = [{ reason, raw: one.message.body }];
    const isKept = (await this.#accept({ changes: [], ignored: [], malformed })) === null;
    if (isKept) this.#tell('quarantined', 1);
    return isKept;
  }

  /** Null where everything is stored; else what was in the way, and nothing is. */
  async #accept(parsed: ParsedChanges): Promise<{ readonly error: unknown } | null> {
    const { gate, acceptChanges, clock, cut } = this.#options;
    const count = parsed.changes.length + parsed.malformed.length;
    try {
      cut.throwIfAborted();
      while (!gate.hasRoomFor(count)) await clock.sleep(ROOM_MS, cut);
      gate.holdChanges(count);
      try {
        await untilAborted(acceptChanges(parsed), cut);
      } finally {
        gate.changesStored(count);
      }
      return null;
    } catch (error) {
      return { error };
    }
  }

  async #delete(messages: readonly ReceivedMessage[]): Promise<void> {
    const { messages: queue, trouble, happenings, cut } = this.#options;
    if (messages.length === 0) return;
    try {
      const failures = await queue.delete(messages, cut);
      trouble.succeeded('delete');
      const failed = new Set(failures.map(({ id }) => id));
      for (const { id } of messages) if (!failed.has(id)) this.#stored.delete(id);
      if (failed.size > 0) happenings.messagesNotDeleted(failed.size);
    } catch (error) {
      happenings.messagesNotDeleted(messages.length);
      if (!cut.aborted) trouble.failed('delete', toFault(error));
    }
  }

  async #keepHidden(messages: readonly ReceivedMessage[], signal: AbortSignal): Promise<void> {
    const { messages: queue, clock } = this.#options;
    const hidden = messages.map((message) => ({ ...message, visibilitySec: VISIBILITY_SEC }));
    while (!signal.aborted) {
      try {
        await clock.sleep(EXTEND_MS, signal);
        await queue.changeVisibility(hidden, signal);
      } catch (error) {
        // They come again while they are being stored, which costs a look.
        if (!signal.aborted && !(error instanceof Fault)) throw error;
      }
    }
  }

  /** The queue gives them again by itself when their visibility ends; this only makes it sooner. */
  async #giveBack(messages: readonly ReceivedMessage[]): Promise<void> {
    const { messages: queue, clock, cut } = this.#options;
    const visibilitySec = cut.aborted ? 0 : RETURN_SEC;
    const tooLate = new AbortController();
    const isDone = new AbortController();
    const timer = clock.sleep(GIVE_BACK_MS, isDone.signal).then(
      () => tooLate.abort(),
      () => {},
    );
    try {
      await queue.changeVisibility(
        messages.map((message) => ({ ...message, visibilitySec })),
        tooLate.signal,
      );
    } catch (error) {
      if (!tooLate.signal.aborted && !(error instanceof Fault)) throw error;
    }
    isDone.abort();
    await timer;
  }

  #resultOf({ parsed }: ReadMessage): MessageResult {
    if (parsed.changes.some((change) => this.#isCovered(change))) return 'accepted';
    return parsed.malformed.length > 0 ? 'quarantined' : 'ignored';
  }

  #isCovered({ bucket, key }: Change): boolean {
    return this.#options.rules.some((rule) => ruleMatches(rule, { bucket, key }));
  }

  #tell(result: MessageResult, count: number): void {
    if (count > 0) this.#options.happenings.messagesHandled(result, count);
  }

  #remember(id: string): void {
    this.#stored.add(id);
    if (this.#stored.size <= REMEMBERED) return;
    const [oldest] = this.#stored;
    if (oldest !== undefined) this.#stored.delete(oldest);
  }
}

function describe(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
