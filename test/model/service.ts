// One service: a queue and the processes that share it, each with the real intake and the real worker behind
// simulated ports. Processes die, stand still, stop, and are started again.
import { openChecksumEngine } from '../../src/checksums/native-checksums.ts';
import { Fault } from '../../src/core/faults.ts';
import type { Happenings } from '../../src/core/happenings.ts';
import type { ObjectLocation } from '../../src/core/object.ts';
import type { ObjectSource } from '../../src/core/object-source.ts';
import type { Rule } from '../../src/core/rule.ts';
import type { TransferQueue } from '../../src/core/transfer-queue.ts';
import { openMemoryNotes } from '../../src/queues/memory/memory-notes.ts';
import { type MemoryTransferQueue, openMemoryQueue } from '../../src/queues/memory/memory-queue.ts';
import { type AcceptChanges, createIntake } from '../../src/replication/accept-change.ts';
import { ByteBudget } from '../../src/replication/byte-budget.ts';
import { DeleteBrake } from '../../src/replication/delete-brake.ts';
import { type BrakeAction, HeldDeletes } from '../../src/replication/held-deletes.ts';
import { Worker } from '../../src/replication/worker.ts';
import { BrakeJudge } from './brake-judge.ts';
import { Herd, type HerdMember } from './herd.ts';
import type { Wire } from './network.ts';
import { type FileHome, openFileHome } from './queue-home.ts';
import { override } from './override.ts';
import type { Memories, Planted, Ports } from './planted.ts';
import type { Process } from './scheduler.ts';
import { Ledger, simulateQueue } from './simulated-queue.ts';
import type { SimulatedService } from './simulated-service.ts';
import { simulateSource } from './simulated-source.ts';
import { type EffectWitness, simulateTarget } from './simulated-target.ts';

const MAX_ATTEMPTS = 4;
const BACKOFF = { baseMs: 400, capMs: 3_000 };
/** Objects up to this size are sent in one request. */
const CHUNK_BYTES = 32;
const engine = openChecksumEngine();

/** How long things last for a service. */
export interface Spans {
  readonly leaseMs: number;
  /** Longer than any request lives: no attempt sends after its lease, so only what is on its way can still land. */
  readonly graceMs: number;
  /** After this a caller gives up waiting for an answer. */
  readonly deadlineMs: number;
}

/** What all services of a run share. */
export interface Surroundings {
  readonly network: Wire;
  readonly spans: Spans;
  readonly memories: Memories;
  /** Asked at the start of each process. */
  readonly ruleOfStart: () => Rule;
  readonly planted: Planted | null;
  readonly maxConcurrency: number;
  /** One process at a time owns the queue, and the next one recovers what it left. */
  readonly isQueueInFile: boolean;
  /** Deletes within a window that need nobody's word; null where the brake is never reached. */
  readonly brakeLimit: number | null;
  readonly witness: EffectWitness;
  readonly isPoisoned: (etag: string) => boolean;
  /** True while the source refuses everything for want of a permission. */
  readonly isDenied: () => boolean;
  /** False once nothing goes wrong any more. */
  readonly isTroubled: () => boolean;
  /** Where uploads end up, by their session. */
  readonly locations: Map<string, ObjectLocation>;
  readonly onAccepted: (keys: readonly string[]) => void;
  readonly onSkipped: (key: string) => void;
  /** Told of everything that a process says. */
  readonly onHappening: (process: Process, name: keyof Happenings, event: unknown) => void;
  readonly judge: (check: () => void) => void;
}

interface RunningProcess extends HerdMember {
  readonly worker: Worker;
  readonly intake: AcceptChanges;
  readonly rule: Rule;
}

/** A source that answers 403 for as long as it is told to. */
export function deniable(source: ObjectSource, isDenied: () => boolean): ObjectSource {
  const check = (): void => {
    if (isDenied()) throw new Fault('access_denied', 's3:GetObject is denied');
  };
  return override<ObjectSource>(source, {
    look: async (location, signal) => {
      check();
      return source.look(location, signal);
    },
    read: async (request, signal) => {
      check();
      return source.read(request, signal);
    },
  });
}

export class Service implements SimulatedService {
  readonly ledger: Ledger;
  /** The queue in memory as it is, without the mistakes planted at it. */
  readonly queue: MemoryTransferQueue;
  readonly #name: string;
  readonly #surroundings: Surroundings;
  /** Null while nobody has its file open. */
  #queue: TransferQueue | null;
  /** The file that one process at a time owns; null where the queue outlives its processes. */
  readonly #home: FileHome | null;
  #notes = openMemoryNotes();
  readonly #brakeJudge: BrakeJudge;
  readonly #unlisten = new Map<Process, () => void>();
  readonly #herd: Herd<RunningProcess>;
  #startCount = 0;
  /** Where the queue runs. */
  readonly #machine: Process;

  constructor(name: string, surroundings: Surroundings) {
    const { network, spans } = surroundings;
    this.#name = name;
    this.#machine = { name, isAlive: true, pausedUntilMs: 0 };
    this.#surroundings = surroundings;
    this.#brakeJudge = new BrakeJudge(surroundings.brakeLimit);
    this.#herd = new Herd({ network, start: () => this.start(), onGone: (gone) => this.#gone(gone) });
    this.ledger = new Ledger(network, MAX_ATTEMPTS);
    let idCount = 0;
    const common = {
      clock: network.scheduler.clockOf(this.#machine),
      leaseMs: spans.leaseMs,
      settleGraceMs: spans.graceMs,
      smallMaxBytes: CHUNK_BYTES,
    };
    this.queue = openMemoryQueue({
      ...common,
      newId: () => {
        idCount += 1;
        return `${name.toLowerCase()}${idCount}`;
      },
    });
    this.#home = surroundings.isQueueInFile
      ? openFileHome({ ...common, maxRetryDelayMs: BACKOFF.capMs })
      : null;
    this.#queue = this.#home === null ? this.#withMistakes(this.queue) : null;
  }

  #gone({ process }: RunningProcess): void {
    if (this.#home !== null) this.#queue = null;
    void this.#home?.close();
    this.#unlisten.get(process)?.();
  }

  #withMistakes(queue: TransferQueue): TransferQueue {
    const { planted, memories } = this.#surroundings;
    return planted?.queue?.(queue, memories) ?? queue;
  }

  /** The run is over: nothing of it stays on the disk. */
  async end(): Promise<void> {
    await this.#home?.remove();
  }

  /** The intake of one of the processes; null where none runs. */
  anyIntake(): AcceptChanges | null {
    const choices = this.#surroundings.network.scheduler.choices.part('intake');
    const { nowMs } = this.#surroundings.network.scheduler;
    const able = this.#herd.members.filter(
      ({ isLeaving, process }) => !isLeaving && process.pausedUntilMs <= nowMs,
    );
    return able.length === 0 ? null : (able[choices.pick(able.length)]?.intake ?? null);
  }

  /** Starts one more process; where the queue is in a file, it takes the file over from the one before. */
  start(): void {
    if (this.#home === null) this.#start(this.#queue ?? this.queue);
    else void this.#home.open().then((queue) => this.#start((this.#queue = this.#withMistakes(queue))));
  }

  #start(queue: TransferQueue): void {
    const { network, planted, maxConcurrency, spans } = this.#surroundings;
    const written = this.#surroundings.ruleOfStart();
    const rule = planted?.rule?.(written) ?? written;
    this.#startCount += 1;
    const process: Process = { name: `${this.#name}${this.#startCount}`, isAlive: true, pausedUntilMs: 0 };
    network.scheduler.note(() => `${process.name} starts`);
    if (planted?.forgetsNotes === true) this.#notes = openMemoryNotes();
    const ports = this.#portsOf(process, queue);
    const happenings = this.#happeningsOf(process);
    const clock = network.scheduler.clockOf(process);
    const choices = network.scheduler.choices.part('jitter');
    const worker = new Worker({
      queue: ports.queue,
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
      maxConcurrency,
      maxAttempts: planted?.maxAttempts ?? MAX_ATTEMPTS,
      backoff: BACKOFF,
      leaseMs: spans.leaseMs,
    });
    const intake = createIntake({ rules: [rule], queue: ports.queue, happenings });
    this.#herd.add({ process, worker, intake, rule: written, isLeaving: false });
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

  jumpClock(): void {
    this.#herd.jumpClock(this.#machine);
  }

  /** Somebody redrives one transfer, any, or everything that is parked. */
  async redrive(what: 'one' | 'class'): Promise<void> {
    const { network } = this.#surroundings;
    const queue = this.#queue;
    if (queue === null) return;
    const { transfers } = await queue.list({ filter: {}, cursor: null, limit: 20 });
    if (what === 'one' && transfers.length > 0) {
      const { id = '', source } =
        transfers[network.scheduler.choices.part('troubles').pick(transfers.length)] ?? {};
      network.scheduler.note(() => `somebody redrives ${id}`);
      await queue.redrive(id);
      if (source !== undefined) this.ledger.accepted([source.key]);
    }
    if (what === 'one') return;
    network.scheduler.note(() => 'somebody redrives what is parked');
    const keys = transfers.filter(({ status }) => status === 'parked').map(({ source }) => source.key);
    await queue.redriveClass({ filter: {}, limit: 100, cursor: null });
    this.ledger.accepted(keys);
  }

  /** A person decides about the deletes that the brake holds. Resolves with how many there were. */
  async decideHeld(): Promise<number> {
    const { network, judge, brakeLimit, ruleOfStart } = this.#surroundings;
    const queue = this.#queue;
    if (brakeLimit === null || queue === null) return 0;
    const { scheduler } = network;
    const clock = scheduler.clockOf(this.#machine);
    const rules = [ruleOfStart()];
    const happenings = this.#happeningsOf(this.#machine);
    const brake = new DeleteBrake({ notes: this.#notes, clock, happenings });
    const held = new HeldDeletes({ rules, queue, brake, clock, happenings });
    const filter = { status: 'parked', faultCode: 'delete_brake' } as const;
    const { transfers } = await queue.list({ filter, cursor: null, limit: 20 });
    const action = scheduler.choices.part('troubles').oneOf<BrakeAction>(['release', 'reject']);
    const count = await held.decide(rules[0]?.name ?? '', action, () => false);
    if (count > 0) scheduler.note(() => `somebody decides to ${action} ${count} deletes of ${this.#name}`);
    judge(() => this.#brakeJudge.decided(action === 'release' ? count : 0));
    this.ledger.accepted(transfers.map(({ source }) => source.key));
    return count;
  }

  /** What is done is forgotten. */
  async prune(): Promise<void> {
    const { scheduler } = this.#surroundings.network;
    const removed = await this.#queue?.prune({ beforeMs: Number.MAX_SAFE_INTEGER, limit: 100 });
    scheduler.note(() => `${removed ?? 0} done transfers are forgotten`);
  }

  restartUnless(rule: Rule): void {
    for (const running of this.#herd.members) if (running.rule !== rule) this.#herd.remove(running);
  }

  #portsOf(process: Process, queue: TransferQueue): Ports {
    const {
      network,
      memories,
      planted,
      witness,
      locations,
      isPoisoned,
      isDenied,
      onAccepted,
      onSkipped,
      judge,
    } = this.#surroundings;
    const behind = { source: deniable(memories.source, isDenied), target: memories.target };
    const stores = planted?.stores?.(behind) ?? behind;
    const ports: Ports = {
      source: simulateSource(network, process, stores.source, isPoisoned),
      target: simulateTarget({
        network,
        process,
        store: stores.target,
        memory: memories.target,
        witness,
        locations,
        onDelete: (key, token) => judge(() => this.#brakeJudge.sent(key, token, network.scheduler.nowMs)),
      }),
      queue: simulateQueue({
        network,
        process,
        store: queue,
        ledger: this.ledger,
        onAccepted,
        onSkipped,
        judge,
        onListening: (end) => void this.#unlisten.set(process, end),
      }),
    };
    return planted?.process?.(ports, memories) ?? ports;
  }

  #happeningsOf(process: Process): Happenings {
    const { network, onHappening } = this.#surroundings;
    const known: Partial<Happenings> = {
      leaseLost: ({ transferId }) =>
        network.scheduler.note(() => `${process.name} lost the lease of ${transferId}`),
      uploadResumed: ({ transferId, fromByte }) =>
        network.scheduler.note(() => `${process.name} goes on with ${transferId} at byte ${fromByte}`),
    };
    return new Proxy({} as Happenings, {
      get: (_, name) => (event: never) => {
        const method = name as keyof Happenings;
        known[method]?.(event);
        onHappening(process, method, event);
      },
    });
  }
}
