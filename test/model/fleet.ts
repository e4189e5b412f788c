// A fleet of workers without a database: processes that converge straight from the messages of one queue, which they
// share with nobody. They die, stand still, stop and come again; the queue keeps what they have not acknowledged, gives
// it out in any order, and sometimes twice.
import { openChecksumEngine } from '../../src/checksums/native-checksums.ts';
import type { Happenings } from '../../src/core/happenings.ts';
import type { MessageQueue } from '../../src/core/message-queue.ts';
import type { Rule } from '../../src/core/rule.ts';
import { MemoryMessageQueue } from '../../src/messages/memory/memory-message-queue.ts';
import { openMemoryNotes } from '../../src/queues/memory/memory-notes.ts';
import type { AcceptChanges } from '../../src/replication/accept-change.ts';
import { ByteBudget } from '../../src/replication/byte-budget.ts';
import { DeleteBrake } from '../../src/replication/delete-brake.ts';
import { NOTHING_CARRIED } from '../../src/replication/stateless/carried.ts';
import { openRunner, type RunnerOptions } from '../../src/replication/stateless/open-runner.ts';
import {
  StatelessWorker,
  type StatelessWorkerOptions,
} from '../../src/replication/stateless/stateless-worker.ts';
import { MESSAGE_DOCUMENTS } from '../../src/triggers/message-documents.ts';
import { Herd, type HerdMember } from './herd.ts';
import type { Process } from './scheduler.ts';
import { deniable, type Surroundings } from './service.ts';
import { keyOfBody, MessageLedger, simulateMessages } from './simulated-messages.ts';
import type { SimulatedService } from './simulated-service.ts';
import { simulateSource } from './simulated-source.ts';
import { simulateTarget } from './simulated-target.ts';

const VISIBILITY_SEC = 10;
const LONG_POLL_SEC = 3;
const LONGEST_HOLD_MS = 3_600_000;
const MAX_RECEIVES = 4;
const MAX_ATTEMPTS = 4;
const BACKOFF_MS = 400;
/** Objects up to this size are sent in one request. */
const CHUNK_BYTES = 32;
/** Messages of a thousand that the queue shows again although somebody has them. */
const DOUBLED_PERMILLE = 30;
const engine = openChecksumEngine();
const NEVER = new AbortController().signal;

interface RunningProcess extends HerdMember {
  readonly worker: StatelessWorker;
  readonly death: AbortController;
}

type FleetHappenings = RunnerOptions['happenings'] & StatelessWorkerOptions['happenings'];

/** The ends by which a worker lets go of a message that is not done. */
const GIVEN_UP = new Set(['transferLeft', 'transferGivenBack', 'leaseLost']);

export class Fleet implements SimulatedService {
  readonly ledger: MessageLedger;
  readonly #surroundings: Surroundings;
  readonly #queue: MemoryMessageQueue;
  readonly #deadLetters: MemoryMessageQueue;
  readonly #notes = openMemoryNotes();
  /** Where the queue is. */
  readonly #machine: Process = { name: 'queue', isAlive: true, pausedUntilMs: 0 };
  readonly #herd: Herd<RunningProcess>;
  #startCount = 0;
  #isOver = false;

  constructor(surroundings: Surroundings) {
    this.#surroundings = surroundings;
    const { network } = surroundings;
    const { scheduler } = network;
    this.#herd = new Herd({ network, start: () => this.start(), onGone: ({ death }) => death.abort() });
    const choices = scheduler.choices.part('messages');
    const clock = scheduler.clockOf(this.#machine);
    this.#deadLetters = new MemoryMessageQueue({ clock });
    this.#queue = new MemoryMessageQueue({
      clock,
      redrive: { maxReceiveCount: MAX_RECEIVES, deadLetters: this.#deadLetters },
      choose: (count) => (count === 1 ? 0 : choices.pick(count)),
      isDoubled: () => surroundings.isTroubled() && choices.chance(DOUBLED_PERMILLE),
    });
    this.ledger = new MessageLedger(surroundings.network, this.#queue, this.#deadLetters);
  }

  async end(): Promise<void> {
    this.#isOver = true;
    for (const { death } of this.#herd.members) death.abort();
  }

  /** What the store itself does when something happens to an object: its message is in the queue. */
  anyIntake(): AcceptChanges {
    return async ({ changes }) => {
      for (const change of changes) {
        const body = MESSAGE_DOCUMENTS.write(change, NOTHING_CARRIED, 'retry', null);
        await this.#queue.send([{ body, delaySec: 0 }], NEVER);
      }
      this.#surroundings.onAccepted(changes.map(({ key }) => key));
      return { isRepeat: false, accepted: changes.length, ignored: 0, quarantined: 0, transfers: [] };
    };
  }

  start(): void {
    if (this.#isOver) return;
    const { network, planted, maxConcurrency, ruleOfStart } = this.#surroundings;
    this.#startCount += 1;
    const process: Process = { name: `W${this.#startCount}`, isAlive: true, pausedUntilMs: 0 };
    network.scheduler.note(() => `${process.name} starts`);
    const death = new AbortController();
    const givenUp: ((key: string) => void)[] = [];
    const ports = this.#portsOf(process, death.signal, givenUp);
    const happenings = this.#happeningsOf(process, givenUp);
    const rule = planted?.rule?.(ruleOfStart()) ?? ruleOfStart();
    const worker = new StatelessWorker({
      queue: ports.messages,
      queueUrl: 'queue',
      random: { next: () => network.scheduler.choices.part('jitter').pick(4) / 4 },
      clock: network.scheduler.clockOf(process),
      happenings,
      openRunner: (own) => openRunner({ ...this.#runnerOptions(process, rule, ports, happenings), ...own }),
      maxConcurrency,
      visibilitySec: VISIBILITY_SEC,
      longestHoldMs: LONGEST_HOLD_MS,
      longPollSec: LONG_POLL_SEC,
    });
    this.#herd.add({ process, worker, death, isLeaving: false });
    worker.start();
  }

  crash(named: Process | null = null): void {
    this.#herd.crash(named);
  }

  pause(named: Process | null = null): void {
    this.#herd.pause(named);
  }

  stop(): void {
    this.#herd.stop();
  }

  /** Only of a worker: the queue's own clock is Amazon's. */
  jumpClock(): void {
    this.#herd.jumpClock(null);
  }

  /** The dead letters are moved back into the queue. */
  async redrive(): Promise<void> {
    const { scheduler } = this.#surroundings.network;
    const dead = await this.#deadLetters.receive({ max: 10, waitSec: 0, visibilitySec: 0 }, NEVER);
    for (const { id, receipt, body } of dead) {
      scheduler.note(() => `somebody redrives the dead letter of ${keyOfBody(body)}`);
      await this.#queue.send([{ body, delaySec: 0 }], NEVER);
      this.#surroundings.onAccepted([keyOfBody(body)]);
      await this.#deadLetters.delete([{ id, receipt }], NEVER);
    }
  }

  /** No brake trips here: what it does with its notes is the same in both modes. */
  async decideHeld(): Promise<number> {
    return 0;
  }

  async prune(): Promise<void> {}

  restartUnless(): void {}

  #portsOf(process: Process, death: AbortSignal, givenUp: ((key: string) => void)[]) {
    const { network, memories, planted, witness, locations, isPoisoned, isDenied } = this.#surroundings;
    const behind = { source: deniable(memories.source, isDenied), target: memories.target };
    const stores = planted?.stores?.(behind) ?? behind;
    const ports = {
      source: simulateSource(network, process, stores.source, isPoisoned),
      target: simulateTarget({
        network,
        process,
        store: stores.target,
        memory: memories.target,
        witness,
        locations,
        onDelete: () => {},
      }),
      messages: simulateMessages({ network, process, store: this.#queue, ledger: this.ledger, death }),
    };
    return planted?.worker?.(ports, (listener) => void givenUp.push(listener)) ?? ports;
  }

  #runnerOptions(
    process: Process,
    rule: Rule,
    ports: {
      readonly source: RunnerOptions['stores']['source'];
      readonly target: RunnerOptions['stores']['target'];
      readonly messages: MessageQueue;
    },
    happenings: FleetHappenings,
  ): Omit<RunnerOptions, 'send' | 'onFree'> {
    const { network, spans, planted, maxConcurrency } = this.#surroundings;
    const clock = network.scheduler.clockOf(process);
    const choices = network.scheduler.choices.part('jitter');
    return {
      rules: [rule],
      stores: {
        source: ports.source,
        target: ports.target,
        checksums: engine,
        clock,
        byteBudget: new ByteBudget(1_000),
        deleteBrake: new DeleteBrake({ notes: this.#notes, clock, happenings }),
        chunkBytes: CHUNK_BYTES,
        effectDeadlineMs: spans.deadlineMs,
        ...(planted?.decide === undefined ? {} : { decide: planted.decide }),
      },
      clock,
      random: { next: () => choices.pick(4) / 4 },
      happenings,
      documents: MESSAGE_DOCUMENTS,
      handOver: null,
      maxConcurrency,
      maxAttempts: MAX_ATTEMPTS,
      backoffMs: BACKOFF_MS,
      graceMs: spans.graceMs,
      maxCarriedBytes: null,
      ...(planted?.recheck === undefined ? {} : { recheck: planted.recheck }),
    };
  }

  #happeningsOf(process: Process, givenUp: readonly ((key: string) => void)[]): FleetHappenings {
    const { network, onHappening } = this.#surroundings;
    const told = new Set([...GIVEN_UP, 'lookAgainSent', 'workerTroubled']);
    return new Proxy({} as FleetHappenings, {
      get: (_, name) => (event: { readonly source: { readonly key: string } }) => {
        if (told.has(String(name))) network.scheduler.note(() => `${process.name}: ${String(name)}`);
        if (GIVEN_UP.has(String(name))) for (const listener of givenUp) listener(event.source.key);
        onHappening(process, name as keyof Happenings, event);
      },
    });
  }
}
