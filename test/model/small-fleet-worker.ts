// One worker of a small world without a database: the product's runner over ports of the world, and the messages that it
// holds. Receiving is left to the world; an acknowledgement follows at once when the runner has said so and the lease of
// the message is not over.
import { openChecksumEngine } from '../../src/checksums/native-checksums.ts';
import type { DurableNotes } from '../../src/core/durable-notes.ts';
import type { MessageQueue, MessageToSend, ReceivedMessage } from '../../src/core/message-queue.ts';
import type { Rule } from '../../src/core/rule.ts';
import { LeaseLost } from '../../src/replication/attempt.ts';
import { ByteBudget } from '../../src/replication/byte-budget.ts';
import { DeleteBrake } from '../../src/replication/delete-brake.ts';
import type { RecheckPolicy } from '../../src/replication/recheck.ts';
import { HeldMessage } from '../../src/replication/stateless/held-message.ts';
import { openRunner, type Runner, type RunnerOptions } from '../../src/replication/stateless/open-runner.ts';
import type { MemorySource } from '../../src/stores/memory/memory-source.ts';
import type { MemoryTarget } from '../../src/stores/memory/memory-target.ts';
import { MESSAGE_DOCUMENTS } from '../../src/triggers/message-documents.ts';
import { type Arena, ARENA_SPANS } from './arena.ts';
import type { Planted, WorkerPorts } from './planted.ts';
import type { Process } from './scheduler.ts';
import { simulateSource } from './simulated-source.ts';
import { type EffectWitness, simulateTarget } from './simulated-target.ts';

/** Far beyond everything that happens in a small world. */
const LEASE_MS = 1e9;
const CHUNK_BYTES = 32;
const NEVER = new AbortController().signal;
const engine = openChecksumEngine();

/** A message in the queue of a small world. */
export interface StoredMessage {
  readonly id: string;
  readonly body: string;
  receiveCount: number;
  /** When it can be received, if nobody holds it. */
  visibleAtMs: number;
  holder: SmallWorker | null;
}

export interface SmallWorkerOptions {
  readonly name: string;
  readonly arena: Arena;
  readonly memories: { readonly source: MemorySource; readonly target: MemoryTarget };
  readonly rule: Rule;
  readonly notes: DurableNotes;
  readonly planted: Planted | null;
  readonly witness: EffectWitness;
  readonly deleteMessage: (id: string, receiveCount: number) => void;
  readonly sendMessage: (message: MessageToSend) => void;
  /** The worker has let go of a message that it still had. */
  readonly onReleased: (stored: StoredMessage) => void;
}

export class SmallWorker {
  readonly process: Process;
  readonly #options: SmallWorkerOptions;
  readonly #ports: WorkerPorts;
  readonly #runner: Runner;
  readonly #held = new Map<HeldMessage, StoredMessage>();
  #learned: RecheckPolicy | null = null;
  /** What its monotonic clock is ahead: it stood still, and the leases that it had are over. */
  #aheadMs = 0;
  /** What its next receive brings. */
  #next: StoredMessage | null = null;

  constructor(options: SmallWorkerOptions) {
    this.#options = options;
    this.process = { name: options.name, isAlive: true, pausedUntilMs: 0 };
    this.#ports = this.#openPorts();
    this.#runner = openRunner(this.#runnerOptions());
  }

  get heldCount(): number {
    return this.#held.size;
  }

  /** The messages that are still its own. */
  get ownMessages(): readonly StoredMessage[] {
    return [...this.#held.values()].filter(({ holder }) => holder === this);
  }

  /** What it has learned, and holds, as text. */
  describe(show: (stored: StoredMessage) => string): string {
    const knows =
      this.#learned?.isNeeded('write', { ...this.#options.rule, deletes: 'ignore' }, 'from') === true;
    const held = [...this.#held].map(
      ([message, stored]) =>
        `${show(stored)} ${this.#isOver(message)} ${message.isLost} ${stored.holder === this}`,
    );
    return `${knows} ${held.toSorted().join()}`;
  }

  /** It stood still just when its leases ended. */
  overslept(): void {
    this.#aheadMs += LEASE_MS;
  }

  /** Messages whose lease is over without its having noticed; it may at any moment. */
  get unnoticed(): readonly HeldMessage[] {
    return [...this.#held.keys()].filter((message) => this.#isOver(message) && !message.isLost);
  }

  async receive(stored: StoredMessage): Promise<void> {
    const { arena } = this.#options;
    stored.receiveCount += 1;
    stored.holder = this;
    this.#next = stored;
    arena.note(() => `${this.process.name} receives ${stored.id}, time ${stored.receiveCount}`);
    const [received] = await this.#ports.messages.receive({ max: 1, waitSec: 0, visibilitySec: 1 }, NEVER);
    this.#next = null;
    // A planted mistake may keep it to itself.
    if (received === undefined) return;
    const nowMs = this.#nowMs();
    const message = new HeldMessage({
      ...received,
      heldSinceMonotonicMs: nowMs,
      leaseEndsAtMonotonicMs: nowMs + LEASE_MS,
      endsByMonotonicMs: nowMs + LEASE_MS,
    });
    this.#held.set(message, stored);
    void this.#work(received, stored, message);
  }

  async #work(received: ReceivedMessage, stored: StoredMessage, message: HeldMessage): Promise<void> {
    const { arena } = this.#options;
    const { kind } = await this.#runner.run(message);
    arena.note(() => `${this.process.name}: ${kind} ${stored.id}`);
    if (kind === 'acknowledge' && !this.#isOver(message))
      await this.#ports.messages.delete([received], NEVER);
    else if (stored.holder === this) this.#options.onReleased(stored);
    this.#held.delete(message);
    if (this.#held.size === 0) arena.attemptEnded(this.process, () => '');
  }

  /** It learns that a message is not its own any more. */
  notice(message: HeldMessage): void {
    message.end(new LeaseLost('It stood still'));
  }

  #nowMs(): number {
    return this.#options.arena.nowMs + this.#aheadMs;
  }

  #isOver(message: HeldMessage): boolean {
    return this.#nowMs() >= message.leaseEndsAtMonotonicMs;
  }

  #openPorts(): WorkerPorts {
    const { arena, memories, planted, witness } = this.#options;
    const stores = planted?.stores?.(memories) ?? memories;
    const ports: WorkerPorts = {
      source: simulateSource(arena, this.process, stores.source, () => false),
      target: simulateTarget({
        network: arena,
        process: this.process,
        store: stores.target,
        memory: memories.target,
        witness,
        locations: new Map(),
        onDelete: () => {},
      }),
      messages: this.#messages(),
    };
    return planted?.worker?.(ports, () => {}) ?? ports;
  }

  #messages(): MessageQueue {
    const { arena, deleteMessage, sendMessage } = this.#options;
    const base = {
      process: this.process,
      signal: null,
      isEffect: true,
      show: () => 'done',
      troubled: refused,
    };
    return {
      receive: async () => {
        const stored = this.#next;
        if (stored === null) return [];
        const { id, body, receiveCount } = stored;
        return [{ id, receipt: String(receiveCount), body, receiveCount, sentAtMs: null }];
      },
      delete: (messages) =>
        arena.send({
          ...base,
          op: 'delete',
          asks: [],
          name: () => `acknowledges ${messages.map(({ id }) => id).join()}`,
          perform: async () => {
            for (const { id, receipt } of messages) deleteMessage(id, Number(receipt));
            return [];
          },
        }),
      send: (messages) =>
        arena.send({
          ...base,
          op: 'send',
          asks: [],
          name: () => `sends the object again in ${messages.map(({ delaySec }) => delaySec).join()} s`,
          perform: async () => messages.forEach(sendMessage),
        }),
      changeVisibility: async () => [],
      facts: async () => refused(),
      close: async () => {},
    };
  }

  #runnerOptions(): RunnerOptions {
    const { arena, rule, notes, planted } = this.#options;
    const clock = { ...arena.clockOf(this.process), monotonicMs: () => this.#nowMs() };
    const happenings = new Proxy({} as RunnerOptions['happenings'], { get: () => () => {} });
    return {
      rules: [rule],
      stores: {
        source: this.#ports.source,
        target: this.#ports.target,
        checksums: engine,
        clock,
        byteBudget: new ByteBudget(1_000),
        deleteBrake: new DeleteBrake({ notes, clock, happenings }),
        chunkBytes: CHUNK_BYTES,
        effectDeadlineMs: ARENA_SPANS.deadlineMs,
      },
      clock,
      random: { next: () => 1 },
      happenings,
      documents: MESSAGE_DOCUMENTS,
      send: (message, signal) => this.#ports.messages.send([message], signal),
      handOver: null,
      maxConcurrency: 1,
      maxAttempts: 100,
      backoffMs: 1_000,
      graceMs: ARENA_SPANS.graceMs,
      maxCarriedBytes: null,
      recheck: (learned) => {
        this.#learned = learned;
        return planted?.recheck?.(learned) ?? learned;
      },
    };
  }
}

function refused(): never {
  throw new Error('Nothing goes wrong with this queue');
}
