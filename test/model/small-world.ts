// A small world: one key, a script of mutations at the source, one or two services, a budget of troubles. At each
// moment it lists what may happen next, does what it is told, and says whether the invariants hold. The worker, the
// intake, converge and the queue's rows are the product's own.
import type { Change } from '../../src/core/change.ts';
import type { Happenings } from '../../src/core/happenings.ts';
import type { Rule } from '../../src/core/rule.ts';
import { PLAIN_RULE } from '../../src/core/testing/samples.ts';
import { Arena, ARENA_SPANS } from './arena.ts';
import type { Request } from './arena-request.ts';
import type { ExplorableWorld, WorldEvent } from './explorable-world.ts';
import { canonical, fingerprint, leaseMark } from './fingerprint.ts';
import type { Planted } from './planted.ts';
import { Referee, sourceOf, targetOf } from './referee.ts';
import { type Mutation, ScriptedSource } from './scripted-source.ts';
import type { Process } from './scheduler.ts';
import { Service, type Surroundings } from './service.ts';
import { snapshotOf } from './simulated-target.ts';
import { type TroubleKind, troublesOf } from './small-troubles.ts';
import { Versions, Violation } from './versions.ts';
import { WatchedTarget } from './watched-target.ts';

const KEY = 'k';
/** A process that stands still does so until another one has taken its work over. */
const PAUSE_MS = 6_000;
/** An upload that stands still in the middle. */
const STALL_MS = 3_000;
/** More events than this on one path are too many for a world so small. */
const MAX_EVENTS = 250;
/** Ways for an attempt to end beside success and failure. */
const ENDS: ReadonlySet<keyof Happenings> = new Set([
  'transferReleased',
  'transferSpaced',
  'leaseLost',
  'workerTroubled',
]);

export interface SmallWorldOptions {
  /** What is at the source and replicated in peace before anything else happens. */
  readonly before: readonly Mutation[];
  readonly script: readonly Mutation[];
  readonly isVersioned: boolean;
  readonly deletes: Rule['deletes'];
  /** One service with two processes, or two services with one each that do not know of each other. */
  readonly serviceCount: 1 | 2;
  /** How many troubles there may be in all, and which. */
  readonly troubleCount: number;
  readonly troubles: readonly TroubleKind[];
  readonly sizeBytes: number;
}

export class SmallWorld implements ExplorableWorld {
  readonly #options: SmallWorldOptions;
  readonly #arena: Arena;
  readonly #source: ScriptedSource;
  readonly #target = new WatchedTarget({ buckets: ['to'], blockBytes: 8 });
  readonly #rule: Rule;
  readonly #referee: Referee;
  readonly #services: Service[];
  /** Whose next upload stands still in the middle. */
  #stillNext: Process | null = null;
  /** Of each service: how many changes are not delivered yet. */
  readonly #undelivered: number[];
  #troublesLeft = 0;

  constructor(options: SmallWorldOptions, planted: Planted | null, keepsHistory: boolean) {
    this.#options = options;
    this.#arena = new Arena(keepsHistory, (op) => this.#isEager(op));
    this.#rule = { ...PLAIN_RULE, deletes: options.deletes };
    const note = (text: () => string): void => this.#arena.note(text);
    const versions = new Versions();
    this.#source = new ScriptedSource({
      ...options,
      clock: this.#arena.clockOf(outside('source')),
      location: sourceOf(KEY),
      versions,
      note,
    });
    this.#source.follow(options.before);
    this.#referee = new Referee({ versions, target: this.#target, rule: this.#rule, note });
    const surroundings = this.#surroundings(planted);
    this.#services = ['A', 'B'].slice(0, options.serviceCount).map((name) => new Service(name, surroundings));
    this.#undelivered = this.#services.map(() => 0);
  }

  get history(): readonly string[] {
    return this.#arena.history ?? [];
  }

  async begin(): Promise<void> {
    const { serviceCount, script, troubleCount } = this.#options;
    for (const service of this.#services) {
      for (let count = 0; count < 2 / serviceCount; count += 1) service.start();
    }
    await this.#arena.settle();
    for (;;) {
      const [event] = await this.events();
      if (event === undefined) break;
      await this.perform(event);
    }
    await this.requireEnd();
    this.#source.follow(script);
    this.#troublesLeft = troubleCount;
    this.#arena.note(() => '--- from here on everything may happen');
  }

  async events(): Promise<WorldEvent[]> {
    for (;;) {
      const eager = this.#arena.waiting.find(({ op }) => this.#isEager(op));
      if (eager === undefined) break;
      await this.#arena.arrive(eager);
      await this.#arena.settle();
    }
    const { waiting } = this.#arena;
    const events: WorldEvent[] = waiting.map((request) => ({
      label: `${request.process.name} ${request.op}`,
      run: () => void this.#arena.arrive(request),
    }));
    events.push(...this.#outsideEvents());
    const isActive = waiting.some(({ process }) => !this.#isPaused(process));
    if (!isActive && this.#mayWait()) events.push({ label: 'time', run: () => this.#arena.advance() });
    for (const stray of this.#arena.strays) {
      events.push({ label: `${stray.op} lands`, run: () => this.#arena.land(stray) });
    }
    if (this.#troublesLeft > 0) {
      events.push(...this.#arena.answerable.flatMap((request) => this.#troublesOf(request)));
    }
    return events;
  }

  async perform(event: WorldEvent): Promise<void> {
    await event.run();
    await this.#arena.settle();
    const [service, other] = this.#services;
    // Two services without a common queue look at what the other did only when the next change comes.
    if (service !== undefined && other === undefined) {
      await this.#referee.checkCoverage((key) => service.ledger.status(key));
    }
    if (this.#referee.violation !== null) throw this.#referee.violation;
    if (this.#arena.stepCount > MAX_EVENTS) throw new Violation('I7', 'the service does not come to rest');
  }

  async requireEnd(): Promise<void> {
    for (const service of this.#services) {
      if (service.ledger.status(KEY) !== 'done')
        throw new Violation('I7', `the transfer is ${service.ledger.status(KEY)} and nobody works on it`);
    }
    await this.#referee.requireEquality(KEY);
  }

  async digest(): Promise<string> {
    const object = await snapshotOf(this.#target, targetOf(KEY));
    const parts = [
      this.#source.describe(),
      this.#undelivered.join(),
      this.#troublesLeft,
      object === null ? 'absent' : fingerprint({ ...object, bytes: undefined }),
      this.#referee.describe(KEY, object),
      ...this.#services.map((service) => this.#describeQueue(service)),
      this.#arena.describe(),
    ];
    const text = parts.join('\n');
    return canonical(`${text}\n${await this.#target.describeSessions(text)}`);
  }

  end(): void {
    this.#arena.forget();
  }

  #describeQueue({ queue, ledger }: Service): string {
    const rows = queue.rows().map((row) => {
      const { wakeAtMs, followUp, leaseToken, checkpoint, receipt } = row;
      // A row that is due is due, however long it has been.
      const dueAtMs = wakeAtMs === null ? null : Math.max(wakeAtMs, this.#arena.nowMs);
      if (row.status === 'done') return receipt === null ? '' : fingerprint({ receipt });
      const plain = { ...row, wakeAtMs: null, position: 0, leaseToken: 0, bytesDone: 0 };
      return [
        fingerprint({ ...plain, followUp: followUp === null ? null : followUp.sizeHintBytes, checkpoint }),
        followUp === null ? '' : 'dirty',
        leaseMark(row.id, leaseToken),
        dueAtMs === null ? '' : this.#arena.fromNow(dueAtMs),
      ].join(' ');
    });
    const receipts = rows.filter((text) => text !== '');
    return [...receipts.slice(-2), ledger.describe(KEY)].join('\n');
  }

  #surroundings(planted: Planted | null): Surroundings {
    return {
      network: this.#arena,
      spans: ARENA_SPANS,
      memories: { source: this.#source.memory, target: this.#target },
      ruleOfStart: () => this.#rule,
      planted,
      brakeLimit: null,
      isQueueInFile: false,
      maxConcurrency: 1,
      isPoisoned: () => false,
      isDenied: () => false,
      isTroubled: () => false,
      locations: new Map(),
      judge: (check) => this.#referee.judge(check),
      witness: {
        sent: () => {},
        sending: (process) => this.#stillness(process),
        landed: ({ key }, before, after, examined) => this.#referee.landed(key, before, after, examined),
      },
      onHappening: (process, name, event) => this.#happened(process, name, event),
      onSkipped: () => {},
      onAccepted: (keys) => this.#referee.accepted(keys),
    };
  }

  /** Nothing wrong with a claim that finds nothing, and it makes no difference when a lease or progress is noted. */
  #isEager(op: string): boolean {
    if (op === 'accept' || op === 'renew' || op === 'progress') return true;
    if (op !== 'claim') return false;
    const { nowMs } = this.#arena;
    const isDue = ({ wakeAtMs }: { wakeAtMs: number | null }): boolean =>
      wakeAtMs !== null && wakeAtMs <= nowMs;
    return !this.#services.some(({ queue }) => queue.rows().some(isDue));
  }

  /** What happens at the source, and changes on their way to the services. */
  #outsideEvents(): WorldEvent[] {
    const events: WorldEvent[] = [];
    for (const [place, service] of this.#services.entries()) {
      if ((this.#undelivered[place] ?? 0) === 0) continue;
      const intake = service.anyIntake();
      if (intake === null) continue;
      events.push({
        label: 'change',
        run: () => {
          this.#undelivered[place] = (this.#undelivered[place] ?? 0) - 1;
          void intake({ changes: [changeOf(this.#options.sizeBytes)], ignored: [], malformed: [] });
        },
      });
    }
    for (const { label, run } of this.#source.next)
      events.push({
        label,
        run: async () => {
          await run();
          for (const place of this.#undelivered.keys())
            this.#undelivered[place] = (this.#undelivered[place] ?? 0) + 1;
        },
      });
    return events;
  }

  /** Time may pass where something waits for it. */
  #mayWait(): boolean {
    const { isBusy, strays, waiting } = this.#arena;
    return (
      isBusy ||
      strays.length > 0 ||
      waiting.length > 0 ||
      this.#services.some(({ ledger }) => ledger.hasPending)
    );
  }

  #troublesOf(request: Request): WorldEvent[] {
    return troublesOf(request, {
      kinds: this.#options.troubles,
      arena: this.#arena,
      spend: () => (this.#troublesLeft -= 1),
      crash: (process, keepsRequests) => this.#crash(process, keepsRequests),
      pause: (process) => this.#arena.pause(process, PAUSE_MS),
      stall: (process) => (this.#stillNext = process),
    });
  }

  #crash(process: Process, keepsRequests: boolean): void {
    this.#arena.keepsRequests = keepsRequests;
    for (const service of this.#services) service.crash(process);
  }

  #stillness(process: Process): number | null {
    if (this.#stillNext !== process) return null;
    this.#stillNext = null;
    return STALL_MS;
  }

  #isPaused(process: Process): boolean {
    return process.pausedUntilMs > this.#arena.nowMs;
  }

  #happened(process: Process, name: keyof Happenings, event: unknown): void {
    if (name === 'transferRetrying' || name === 'transferParked') {
      const { fault } = event as Parameters<Happenings['transferParked']>[0];
      this.#arena.attemptEnded(process, (before) => `${before} ${fault.code}`);
    } else if (name === 'transferFinished') {
      this.#arena.attemptEnded(process, () => '');
    } else if (ENDS.has(name)) {
      this.#arena.attemptEnded(process, (before) => `${before} ${name}`);
    }
  }
}

function outside(name: string): Process {
  return { name, isAlive: true, pausedUntilMs: 0 };
}

function changeOf(sizeBytes: number): Change {
  return {
    ...sourceOf(KEY),
    kind: 'created',
    transport: 's3',
    occurredAtMs: null,
    sizeBytes,
    versionId: null,
    sequencer: null,
  };
}
