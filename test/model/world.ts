// A whole run: services, stores, triggers and everybody else, from the first change until all is quiet, then once
// more with a change for every key as a reconcile would send it, and once more to see that nothing is done twice.
import type { Change } from '../../src/core/change.ts';
import type { Happenings } from '../../src/core/happenings.ts';
import type { Rule } from '../../src/core/rule.ts';
import { PLAIN_RULE } from '../../src/core/testing/samples.ts';
import { MemorySource } from '../../src/stores/memory/memory-source.ts';
import { MemoryTarget } from '../../src/stores/memory/memory-target.ts';
import { BRAKE_WINDOW_MS } from './brake-judge.ts';
import type { Choices } from './choices.ts';
import { DEADLINE_MS, Network, REQUEST_LIFE_MS } from './network.ts';
import { meddle, SourceWriter } from './outside.ts';
import type { Mode, Planted } from './planted.ts';
import { Referee, sourceOf, targetOf } from './referee.ts';
import { drawScenario, type Scenario, withoutDatabase } from './scenario.ts';
import { Scheduler } from './scheduler.ts';
import { Fleet } from './fleet.ts';
import { Service, type Spans, type Surroundings } from './service.ts';
import type { SimulatedService } from './simulated-service.ts';
import { Troubles } from './troubles.ts';
import { Versions, Violation } from './versions.ts';

/** A run that needs more steps than this does not come to rest. */
const MAX_STEPS = 12_000;
/** Turns of the event loop in which a queue in a file commits, and tells it. */
const FILE_TURNS = 4;
/** So often a person decides about deletes; each time fewer of them are left. */
const MAX_DECISIONS = 12;
const SPANS: Spans = { leaseMs: 6_000, graceMs: REQUEST_LIFE_MS + 500, deadlineMs: DEADLINE_MS };
/** A trigger sends an event again when nobody answered it for so long. */
const REDELIVERY_MS = 4_000;
const GAPS_MS: [number, ...number[]] = [10, 0, 200, 900, 2_500, 7_000];

export interface RunResult {
  readonly violation: Violation | null;
  readonly stepCount: number;
  readonly history: readonly string[];
}

/** Runs one history to its end, or to its first violation. */
export async function runWorld(
  choices: Choices,
  planted: Planted | null,
  keepsHistory: boolean,
  mode: Mode = planted?.mode ?? 'queue',
): Promise<RunResult> {
  const world = new World(choices, planted, keepsHistory, mode);
  const violation = await world.run();
  const { stepCount, history } = world.scheduler;
  return { violation, stepCount, history: history ?? [] };
}

class World {
  readonly scheduler: Scheduler;
  readonly #choices: Choices;
  readonly #scenario: Scenario;
  readonly #network: Network;
  readonly #source: MemorySource;
  readonly #target: MemoryTarget;
  readonly #versions = new Versions();
  readonly #writer: SourceWriter;
  readonly #services: SimulatedService[];
  readonly #troubles: Troubles;
  readonly #rule: Rule;
  readonly #referee: Referee;
  /** Effects that were asked for, by key. */
  readonly #effectCounts = new Map<string, number>();
  #isCalm = false;

  constructor(choices: Choices, planted: Planted | null, keepsHistory: boolean, mode: Mode) {
    this.#choices = choices.part('events');
    this.scheduler = new Scheduler(choices, keepsHistory);
    const drawn = drawScenario(choices.part('scenario'));
    const scenario = mode === 'queue' ? drawn : withoutDatabase(drawn);
    this.#scenario = scenario;
    const { sameNameIntervalMs } = scenario;
    this.#target = new MemoryTarget({ buckets: ['to'], blockBytes: 8, sameNameIntervalMs });
    this.#network = new Network(this.scheduler);
    this.#network.faultPermille = scenario.faultPermille;
    this.#network.streamFaultPermille = scenario.streamFaultPermille;
    this.#network.hasLatency = scenario.hasLatency;
    const { deletes, verify, adopt } = scenario;
    const brake = { count: scenario.brakeLimit ?? 1_000, sharePercent: 100, windowMs: BRAKE_WINDOW_MS };
    this.#rule = { ...PLAIN_RULE, deletes, verify, adopt, deleteBrake: brake };
    const clock = this.scheduler.clockOf({ name: 'source', isAlive: true, pausedUntilMs: 0 });
    this.#source = new MemorySource({ clock, buckets: ['from'], chunkBytes: 10 });
    if (scenario.isVersioned) this.#source.setVersioning('from', 'enabled');
    const { scheduler } = this;
    this.#referee = new Referee({
      versions: this.#versions,
      target: this.#target,
      rule: this.#rule,
      note: (text) => scheduler.note(text),
    });
    this.#writer = new SourceWriter({
      scheduler,
      memory: this.#source,
      versions: this.#versions,
      scenario,
    });
    const surroundings = this.#surroundings(planted);
    this.#services =
      mode === 'stateless'
        ? [new Fleet(surroundings)]
        : ['A', 'B'].slice(0, scenario.serviceCount).map((name) => new Service(name, surroundings));
    this.#troubles = new Troubles({
      network: this.#network,
      services: this.#services,
      mutate: (key, kind) => void this.#mutate(key, kind),
      meddle: () => this.#meddle(this.#anyKey()),
      expireUploads: () => this.#target.expireUploads(),
      hasDuels: mode === 'stateless',
    });
  }

  /** Runs to the end; null where every invariant held. */
  async run(): Promise<Violation | null> {
    const { isQueueInFile, processCount } = this.#scenario;
    this.scheduler.note(() => JSON.stringify(this.#scenario));
    if (isQueueInFile) this.scheduler.turnsPerStep = FILE_TURNS;
    for (const service of this.#services) {
      for (let count = 0; count < (isQueueInFile ? 1 : processCount); count += 1) service.start();
    }
    this.#scheduleMutations();
    this.#troubles.schedule(this.#scenario.troubleCount, this.#scenario.isAboutUploads);
    try {
      await this.#untilDecided();
      await this.#lookAgain('a change for every key');
      await this.#requireEquality();
      this.#effectCounts.clear();
      await this.#lookAgain('once more a change for every key');
      this.#requireNothingDone();
    } catch (error) {
      if (!(error instanceof Violation)) throw error;
      this.scheduler.note(() => `VIOLATED ${error.message}`);
      return error;
    } finally {
      this.scheduler.forget(null);
      for (const service of this.#services) await service.end();
    }
    return null;
  }

  #surroundings(planted: Planted | null): Surroundings {
    return {
      network: this.#network,
      spans: SPANS,
      memories: { source: this.#source, target: this.#target },
      ruleOfStart: () => this.#ruleOfStart(),
      planted,
      brakeLimit: this.#scenario.brakeLimit,
      isQueueInFile: this.#scenario.isQueueInFile,
      maxConcurrency: this.#scenario.maxConcurrency,
      isPoisoned: (etag) => this.#writer.isPoisoned(etag),
      isDenied: () => this.#troubles.isDenied,
      isTroubled: () => !this.#isCalm,
      locations: new Map(),
      judge: (check) => this.#referee.judge(check),
      witness: {
        sent: (process, { key }, isEffect) => {
          this.#effectCounts.set(key, (this.#effectCounts.get(key) ?? 0) + 1);
          this.#troubles.spring(process, key, isEffect);
        },
        sending: (process, { key }) => this.#troubles.springUpload(process, key),
        landed: ({ key }, before, after, examined) => this.#referee.landed(key, before, after, examined),
      },
      onHappening: (_, name, event) => this.#happened(name, event),
      // The rule of this process does not cover the object: nobody promises anything until the next change.
      onSkipped: (key) => this.#referee.meddled(key),
      onAccepted: (keys) => this.#referee.accepted(keys),
    };
  }

  /** The rule that a process starts with: an operator edits the file, and takes it back in the end. */
  #ruleOfStart(): Rule {
    if (!this.#scenario.changesRules || this.#isCalm) return this.#rule;
    const { target, source, verify } = this.#rule;
    switch (this.scheduler.choices.part('rules').weighted([4, 1, 1, 1])) {
      case 1:
        return { ...this.#rule, verify: verify === 'source' ? 'transfer' : 'source' };
      case 2:
        return { ...this.#rule, target: { ...target, storageClass: 'NEARLINE' } };
      case 3:
        return { ...this.#rule, source: { ...source, prefix: 'nothing/' } };
      default:
        return this.#rule;
    }
  }

  #happened(name: keyof Happenings, event: unknown): void {
    if (holdsSession(event)) {
      this.#referee.judge(() => {
        throw new Violation('I9', `${name} tells an upload session`);
      });
    }
    if (name !== 'transferFinished') return;
    const { source, bytesMoved } = event as Parameters<Happenings['transferFinished']>[0];
    if (bytesMoved > 0) this.#effectCounts.set(source.key, (this.#effectCounts.get(source.key) ?? 0) + 1);
  }

  #anyKey(): string {
    const { keys } = this.#scenario;
    return keys[keys.length === 1 ? 0 : this.#choices.pick(keys.length)] ?? 'k0';
  }

  #scheduleMutations(): void {
    let delayMs = 0;
    for (let count = 0; count < this.#scenario.mutationCount; count += 1) {
      this.scheduler.schedule({
        receiver: null,
        delayMs,
        run: () => void this.#mutate(this.#anyKey(), 'any'),
      });
      delayMs += this.#choices.oneOf(GAPS_MS);
    }
    this.scheduler.schedule({ receiver: null, delayMs: delayMs + 8_000, run: () => this.#calmDown() });
  }

  async #mutate(key: string, kind: 'any' | 'overwrite' | 'undo'): Promise<void> {
    const sizeBytes = await this.#writer.mutate(sourceOf(key), kind);
    for (const service of this.#services) {
      const isLost = this.#choices.chance(this.#scenario.lossPermille);
      const copies = isLost ? 0 : 1 + this.#choices.weighted([4, 1, 1]);
      if (isLost) this.scheduler.note(() => `the event of ${key} is lost`);
      const sizeHint = this.#choices.weighted([3, 1]) === 0 ? sizeBytes : null;
      for (let copy = 0; copy < copies; copy += 1) {
        const delayMs = [0, 60, 1_200, 6_000][this.#choices.weighted([6, 3, 2, 1])] ?? 0;
        this.#deliverLater(service, key, sizeHint, delayMs);
      }
    }
  }

  async #meddle(key: string): Promise<void> {
    const what = await meddle(this.scheduler, this.#target, targetOf(key));
    this.#referee.meddled(key);
    this.scheduler.note(() => `TARGET ${key}: ${what}`);
  }

  #deliverLater(service: SimulatedService, key: string, sizeBytes: number | null, delayMs: number): void {
    const run = (): void => this.#deliver(service, key, sizeBytes);
    this.scheduler.schedule({ receiver: null, delayMs, run });
  }

  /** Gives a change to the service, again and again until it is answered with success. */
  #deliver(service: SimulatedService, key: string, sizeBytes: number | null): void {
    const intake = service.anyIntake();
    if (intake === null) {
      this.#deliverLater(service, key, sizeBytes, 500);
      return;
    }
    const moment = this.#versions.record(sourceOf(key)).now;
    const again = (): void => this.#deliver(service, key, sizeBytes);
    const giveUp = this.scheduler.schedule({ receiver: null, delayMs: REDELIVERY_MS, run: again });
    intake({ changes: [changeOf(key, sizeBytes)], ignored: [], malformed: [] }).then(
      ({ accepted }) => {
        giveUp();
        return accepted > 0 ? this.#referee.require(key, moment) : undefined;
      },
      () => {
        giveUp();
        return this.#deliverLater(service, key, sizeBytes, 700);
      },
    );
  }

  #calmDown(): void {
    this.scheduler.note(() => 'from here on nothing goes wrong any more');
    this.#isCalm = true;
    this.#troubles.end();
    for (const service of this.#services) service.restartUnless(this.#rule);
    this.#network.faultPermille = 0;
    this.#network.streamFaultPermille = 0;
    this.#network.hasLatency = false;
  }

  /** Steps until nothing is on its way and every transfer is done or parked. */
  async #untilQuiet(): Promise<void> {
    const lastStep = this.scheduler.stepCount + MAX_STEPS;
    while (!this.#isCalm || this.scheduler.isBusy || this.#services.some(({ ledger }) => ledger.hasPending)) {
      if (!(await this.scheduler.step())) throw new Violation('I7', 'work is pending and nobody does it');
      // Two services without a common queue look at what the other did only when the next change comes.
      const [service, other] = this.#services;
      if (service !== undefined && other === undefined) {
        await this.#referee.checkCoverage((key) => service.ledger.status(key));
      }
      if (this.#referee.violation !== null) throw this.#referee.violation;
      if (this.scheduler.stepCount > lastStep) throw new Violation('I7', 'the service does not come to rest');
    }
  }

  /** Steps until nothing is on its way and no delete waits for a person. */
  async #untilDecided(): Promise<void> {
    for (let round = 0; round < MAX_DECISIONS; round += 1) {
      await this.#untilQuiet();
      if (!(await this.#decideHeld())) return;
    }
    throw new Violation('I7', 'deletes are held again after each decision');
  }

  /** True where some service held deletes, which are due again now. */
  async #decideHeld(): Promise<boolean> {
    const held = await Promise.all(this.#services.map((service) => service.decideHeld()));
    return held.some((count) => count > 0);
  }

  async #lookAgain(what: string): Promise<void> {
    this.scheduler.note(() => `--- ${what}`);
    for (const key of this.#scenario.keys) {
      // One service alone at the end: what the other one did is at rest.
      const [service] = this.#services;
      if (service !== undefined) this.#deliverLater(service, key, null, 0);
    }
    await this.#untilDecided();
  }

  #isHopeless(key: string): boolean {
    const { current } = this.#versions.record(sourceOf(key));
    return current !== null && this.#writer.isPoisoned(current.state.etag);
  }

  async #requireEquality(): Promise<void> {
    for (const key of this.#scenario.keys) {
      const status = this.#services[0]?.ledger.status(key);
      if (this.#isHopeless(key) && status === 'parked') continue;
      if (status !== 'done')
        throw new Violation('I2', `${key} is ${status} although nothing is wrong with it`);
      await this.#referee.requireEquality(key);
    }
  }

  #requireNothingDone(): void {
    for (const key of this.#scenario.keys) {
      if ((this.#effectCounts.get(key) ?? 0) > 0 && !this.#isHopeless(key)) {
        throw new Violation('I6', `${key} was equal, and yet something was written or moved for it`);
      }
    }
  }
}

/** True where an event would show the secret of an upload in a log line or a metric. */
function holdsSession(event: unknown): boolean {
  return JSON.stringify(event, (_, part: unknown) =>
    part instanceof Error ? `${part.message} ${JSON.stringify(Object.entries(part))}` : part,
  ).includes('memory:upload');
}

function changeOf(key: string, sizeBytes: number | null): Change {
  return {
    ...sourceOf(key),
    kind: 'created',
    transport: 's3',
    occurredAtMs: null,
    sizeBytes,
    versionId: null,
    sequencer: null,
  };
}
