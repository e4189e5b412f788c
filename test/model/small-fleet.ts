// A small world without a database: one key, a script of mutations at the source, two workers that converge straight
// from messages, a budget of troubles. At each moment it lists what may happen next, does what it is told, and says
// whether the invariants hold. Whatever is sent to the queue is there at once, and messages are received in any order.
import type { MessageToSend } from '../../src/core/message-queue.ts';
import type { Rule } from '../../src/core/rule.ts';
import { PLAIN_RULE } from '../../src/core/testing/samples.ts';
import { openMemoryNotes } from '../../src/queues/memory/memory-notes.ts';
import { NOTHING_CARRIED } from '../../src/replication/stateless/carried.ts';
import { MESSAGE_DOCUMENTS } from '../../src/triggers/message-documents.ts';
import { Arena } from './arena.ts';
import type { Request } from './arena-request.ts';
import type { ExplorableWorld, WorldEvent } from './explorable-world.ts';
import { canonical, fingerprint } from './fingerprint.ts';
import type { Planted } from './planted.ts';
import { Referee, sourceOf, targetOf } from './referee.ts';
import type { Process } from './scheduler.ts';
import { type Mutation, ScriptedSource } from './scripted-source.ts';
import { snapshotOf } from './simulated-target.ts';
import { SmallWorker, type StoredMessage } from './small-fleet-worker.ts';
import { type TroubleKind, troublesOf } from './small-troubles.ts';
import { Versions, Violation } from './versions.ts';
import { WatchedTarget } from './watched-target.ts';

const KEY = 'k';
/** A worker that stands still does so until another one has taken its message over. */
const PAUSE_MS = 6_000;
const MAX_EVENTS = 250;

export interface SmallFleetOptions {
  readonly before: readonly Mutation[];
  readonly script: readonly Mutation[];
  readonly isVersioned: boolean;
  readonly deletes: Rule['deletes'];
  /** Messages that a worker holds at the same time: more than one may share an attempt, or wait for the next. */
  readonly mostHeld: 1 | 2;
  readonly troubleCount: number;
  readonly troubles: readonly TroubleKind[];
  readonly sizeBytes: number;
}

export class SmallFleet implements ExplorableWorld {
  readonly #options: SmallFleetOptions;
  readonly #planted: Planted | null;
  readonly #arena: Arena;
  readonly #source: ScriptedSource;
  readonly #target = new WatchedTarget({ buckets: ['to'], blockBytes: 8 });
  readonly #rule: Rule;
  readonly #referee: Referee;
  readonly #notes = openMemoryNotes();
  #queue: StoredMessage[] = [];
  #workers: SmallWorker[] = [];
  #messageCount = 0;
  #startCount = 0;
  #troublesLeft = 0;

  constructor(options: SmallFleetOptions, planted: Planted | null, keepsHistory: boolean) {
    this.#options = options;
    this.#planted = planted;
    this.#arena = new Arena(keepsHistory, (op) => op === 'send' || op === 'delete');
    this.#rule = { ...PLAIN_RULE, deletes: options.deletes };
    const note = (text: () => string): void => this.#arena.note(text);
    const versions = new Versions();
    const location = sourceOf(KEY);
    const clock = this.#arena.clockOf({ name: 'source', isAlive: true, pausedUntilMs: 0 });
    this.#source = new ScriptedSource({ ...options, clock, location, versions, note });
    this.#source.follow(options.before);
    this.#referee = new Referee({ versions, target: this.#target, rule: this.#rule, note });
  }

  get history(): readonly string[] {
    return this.#arena.history ?? [];
  }

  async begin(): Promise<void> {
    for (let count = 0; count < 2; count += 1) this.#start();
    for (;;) {
      const [event] = await this.events();
      if (event === undefined) break;
      await this.perform(event);
    }
    await this.requireEnd();
    this.#source.follow(this.#options.script);
    this.#troublesLeft = this.#options.troubleCount;
    this.#arena.note(() => '--- from here on everything may happen');
  }

  async events(): Promise<WorldEvent[]> {
    const { waiting } = this.#arena;
    const events: WorldEvent[] = waiting.map((request) => ({
      label: `${request.process.name} ${request.op}`,
      run: () => void this.#arena.arrive(request),
    }));
    const receives = this.#receives();
    events.push(...receives);
    for (const { label, run } of this.#source.next)
      events.push({
        label,
        run: async () => {
          await run();
          this.#announce();
        },
      });
    const isActive = receives.length > 0 || waiting.some(({ process }) => !this.#isPaused(process));
    const mayWait = this.#arena.isBusy || waiting.length > 0 || this.#queue.length > 0;
    if (!isActive && mayWait) events.push({ label: 'time', run: () => this.#arena.advance() });
    for (const stray of this.#arena.strays)
      events.push({ label: `${stray.op} lands`, run: () => this.#arena.land(stray) });
    events.push(...this.#notices());
    if (this.#troublesLeft > 0)
      events.push(...this.#arena.answerable.flatMap((request) => this.#troublesOf(request)));
    return events;
  }

  async perform(event: WorldEvent): Promise<void> {
    await event.run();
    await this.#arena.settle();
    await this.#referee.checkCoverage(() => (this.#queue.length > 0 ? 'pending' : 'done'));
    if (this.#referee.violation !== null) throw this.#referee.violation;
    if (this.#arena.stepCount > MAX_EVENTS) throw new Violation('I7', 'the workers do not come to rest');
  }

  async requireEnd(): Promise<void> {
    if (this.#queue.length > 0) throw new Violation('I7', 'a message is left and nobody works on it');
    await this.#referee.requireEquality(KEY);
  }

  async digest(): Promise<string> {
    const object = await snapshotOf(this.#target, targetOf(KEY));
    const free = this.#queue.filter(({ holder }) => holder === null);
    const show = (stored: StoredMessage): string => this.#describe(stored);
    const text = [
      this.#source.describe(),
      this.#troublesLeft,
      object === null ? 'absent' : fingerprint({ ...object, bytes: undefined }),
      this.#referee.describe(KEY, object),
      ...free.map(show).toSorted(),
      this.#arena.describe((process) => this.#workerOf(process)?.describe(show) ?? ''),
    ].join('\n');
    return canonical(`${text}\n${await this.#target.describeSessions(text)}`);
  }

  end(): void {
    this.#arena.forget();
  }

  #describe({ body, receiveCount, visibleAtMs }: StoredMessage): string {
    const dueAtMs = Math.max(visibleAtMs, this.#arena.nowMs);
    return `${body} ${Math.min(receiveCount, 2)} ${this.#arena.fromNow(dueAtMs)}`;
  }

  #workerOf(process: Process): SmallWorker | null {
    return this.#workers.find((worker) => worker.process === process) ?? null;
  }

  #isPaused(process: Process): boolean {
    return process.pausedUntilMs > this.#arena.nowMs;
  }

  #start(): void {
    this.#startCount += 1;
    const worker = new SmallWorker({
      name: `W${this.#startCount}`,
      arena: this.#arena,
      memories: { source: this.#source.memory, target: this.#target },
      rule: this.#rule,
      notes: this.#notes,
      planted: this.#planted,
      witness: {
        sent: () => {},
        sending: () => null,
        landed: ({ key }, before, after, examined) => this.#referee.landed(key, before, after, examined),
      },
      deleteMessage: (id, receiveCount) => {
        // An older receipt deletes nothing.
        this.#queue = this.#queue.filter(
          (stored) => stored.id !== id || stored.receiveCount !== receiveCount,
        );
      },
      sendMessage: (message) => this.#put(message),
      onReleased: (stored) => this.#release(stored),
    });
    this.#workers.push(worker);
  }

  /** The store announces what happened to the object. */
  #announce(): void {
    const change = {
      ...sourceOf(KEY),
      kind: 'created',
      transport: 's3',
      occurredAtMs: null,
      sizeBytes: this.#options.sizeBytes,
      versionId: null,
      sequencer: null,
    } as const;
    this.#put({ body: MESSAGE_DOCUMENTS.write(change, NOTHING_CARRIED, 'retry', null), delaySec: 0 });
    this.#referee.accepted([KEY]);
  }

  #put({ body, delaySec }: MessageToSend): void {
    this.#messageCount += 1;
    const delayMs = delaySec * 1_000;
    const visibleAtMs = this.#arena.nowMs + delayMs;
    this.#queue.push({ id: `m${this.#messageCount}`, body, receiveCount: 0, visibleAtMs, holder: null });
    if (delayMs > 0) this.#arena.schedule({ receiver: null, delayMs, run: () => {} });
  }

  #release(stored: StoredMessage): void {
    stored.holder = null;
    stored.visibleAtMs = this.#arena.nowMs;
  }

  /** Idle workers that have learned the same are alike, and so are messages that say the same. */
  #receives(): WorldEvent[] {
    const { nowMs } = this.#arena;
    const different = new Map<string, StoredMessage>();
    for (const stored of this.#queue)
      if (stored.holder === null && stored.visibleAtMs <= nowMs)
        different.set(this.#describe(stored), stored);
    const receivers = new Map<string, SmallWorker>();
    for (const worker of this.#workers) {
      if (worker.heldCount >= this.#options.mostHeld || this.#isPaused(worker.process)) continue;
      const name = worker.heldCount === 0 ? worker.describe(() => '') : worker.process.name;
      receivers.set(name, receivers.get(name) ?? worker);
    }
    return [...receivers.values()].flatMap((worker) =>
      [...different.values()].map((stored) => ({
        label: `${worker.process.name} receives`,
        run: () => worker.receive(stored),
      })),
    );
  }

  /** A worker that stood still notices, sooner or later, that its messages are not its own any more. */
  #notices(): WorldEvent[] {
    return this.#workers
      .filter(({ process }) => !this.#isPaused(process))
      .flatMap((worker) =>
        worker.unnoticed.map((message) => ({
          label: `${worker.process.name} notices`,
          run: () => worker.notice(message),
        })),
      );
  }

  #troublesOf(request: Request): WorldEvent[] {
    return troublesOf(request, {
      kinds: this.#options.troubles,
      arena: this.#arena,
      spend: () => (this.#troublesLeft -= 1),
      crash: (process, keepsRequests) => this.#crash(process, keepsRequests),
      pause: (process) => this.#pause(process),
      // All objects are sent in one request.
      stall: () => {},
    });
  }

  #crash(process: Process, keepsRequests: boolean): void {
    this.#arena.keepsRequests = keepsRequests;
    this.#arena.note(() => `${process.name} dies`);
    this.#arena.lose(process);
    const worker = this.#workerOf(process);
    this.#workers = this.#workers.filter((one) => one !== worker);
    for (const stored of worker?.ownMessages ?? []) this.#release(stored);
    this.#start();
  }

  /** It stands still just when its leases end: its messages can be received at once. */
  #pause(process: Process): void {
    this.#arena.pause(process, PAUSE_MS);
    const worker = this.#workerOf(process);
    worker?.overslept();
    for (const stored of worker?.ownMessages ?? []) this.#release(stored);
  }
}
