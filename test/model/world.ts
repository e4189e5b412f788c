// A whole run: services, stores, triggers and everybody else, from the first change until all is quiet, then once
// more with a change for every key as a reconcile would send it, and once more to see that nothing is done twice.
import type { Change } from '../../src/core/change.ts';
import type { ObjectLocation, TargetToken } from '../../src/core/object.ts';
import type { Rule } from '../../src/core/rule.ts';
import { PLAIN_RULE } from '../../src/core/testing/samples.ts';
import { MemorySource } from '../../src/stores/memory/memory-source.ts';
import { MemoryTarget } from '../../src/stores/memory/memory-target.ts';
import type { Choices } from './choices.ts';
import { Network } from './network.ts';
import { meddle, SourceWriter } from './outside.ts';
import type { Planted } from './planted.ts';
import { drawScenario, type Scenario } from './scenario.ts';
import { Scheduler } from './scheduler.ts';
import { Service, type Surroundings } from './service.ts';
import { snapshotOf } from './simulated-target.ts';
import { Troubles } from './troubles.ts';
import { type TargetSnapshot, Versions, Violation } from './versions.ts';

/** A run that needs more steps than this does not come to rest. */
const MAX_STEPS = 12_000;
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
): Promise<RunResult> {
  const world = new World(choices, planted, keepsHistory);
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
  readonly #target = new MemoryTarget({ buckets: ['to'], blockBytes: 8 });
  readonly #versions = new Versions();
  readonly #writer: SourceWriter;
  readonly #services: Service[];
  readonly #troubles: Troubles;
  readonly #rule: Rule;
  /** By key: the moment of the source that the target must show, or a later one, as soon as nothing is pending. */
  readonly #requiredMoments = new Map<string, number>();
  /** Keys at whose target somebody else did something since the last accepted change. */
  readonly #meddled = new Set<string>();
  readonly #unchecked = new Set<string>();
  /** Effects that were asked for, by key. */
  readonly #effectCounts = new Map<string, number>();
  #isCalm = false;
  #violation: Violation | null = null;

  constructor(choices: Choices, planted: Planted | null, keepsHistory: boolean) {
    this.#choices = choices.part('events');
    this.scheduler = new Scheduler(choices, keepsHistory);
    const scenario = drawScenario(choices.part('scenario'));
    this.#scenario = scenario;
    this.#network = new Network(this.scheduler);
    this.#network.faultPermille = scenario.faultPermille;
    this.#network.streamFaultPermille = scenario.streamFaultPermille;
    this.#network.hasLatency = scenario.hasLatency;
    this.#rule = { ...PLAIN_RULE, deletes: scenario.deletes, verify: scenario.verify };
    const clock = this.scheduler.clockOf({ name: 'source', isAlive: true, pausedUntilMs: 0 });
    this.#source = new MemorySource({ clock, buckets: ['from'], chunkBytes: 10 });
    if (scenario.isVersioned) this.#source.setVersioning('from', 'enabled');
    const { scheduler } = this;
    this.#writer = new SourceWriter({
      scheduler,
      memory: this.#source,
      versions: this.#versions,
      scenario,
    });
    const surroundings = this.#surroundings(planted);
    this.#services = ['A', 'B']
      .slice(0, scenario.serviceCount)
      .map((name) => new Service(name, surroundings));
    this.#troubles = new Troubles({
      network: this.#network,
      services: this.#services,
      mutate: (key, kind) => void this.#mutate(key, kind),
      meddle: () => this.#meddle(this.#anyKey()),
      expireUploads: () => this.#target.expireUploads(),
    });
  }

  /** Runs to the end; null where every invariant held. */
  async run(): Promise<Violation | null> {
    this.scheduler.note(() => JSON.stringify(this.#scenario));
    for (const service of this.#services) {
      for (let count = 0; count < this.#scenario.processCount; count += 1) service.start();
    }
    this.#scheduleMutations();
    this.#troubles.schedule(this.#scenario.troubleCount, this.#scenario.isAboutUploads);
    try {
      await this.#untilQuiet();
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
    }
    return null;
  }

  #surroundings(planted: Planted | null): Surroundings {
    return {
      network: this.#network,
      memories: { source: this.#source, target: this.#target },
      rule: this.#rule,
      planted,
      maxConcurrency: this.#scenario.maxConcurrency,
      isPoisoned: (etag) => this.#writer.isPoisoned(etag),
      isDenied: () => this.#troubles.isDenied,
      locations: new Map(),
      judge: (check) => this.#judge(check),
      witness: {
        sent: (process, { key }) => {
          this.#effectCounts.set(key, (this.#effectCounts.get(key) ?? 0) + 1);
          this.#troubles.spring(process, key);
        },
        sending: (process, { key }) => this.#troubles.springUpload(process, key),
        landed: (location, before, after, examined) => this.#landed(location.key, before, after, examined),
      },
      onBytesMoved: (key, bytes) => {
        if (bytes > 0) this.#effectCounts.set(key, (this.#effectCounts.get(key) ?? 0) + 1);
      },
      onAccepted: (keys) => {
        for (const key of keys) {
          this.#meddled.delete(key);
          this.#require(key, this.#versions.record(sourceOf(key)).now);
        }
      },
    };
  }

  #landed(
    key: string,
    before: TargetSnapshot | null,
    after: TargetSnapshot | null,
    examined: TargetToken | null,
  ): void {
    if (before?.token === after?.token) return;
    const source = sourceOf(key);
    this.scheduler.note(() => `TARGET ${key}: now ${this.#versions.label(source, after)}`);
    this.#unchecked.add(key);
    this.#judge(() => {
      if (after !== null) this.#versions.judgeWrite(source, before, after);
      else if (before !== null && examined !== null) this.#versions.judgeDelete(source, before, examined);
    });
  }

  /** The first violation ends the run. */
  #judge(check: () => void): void {
    try {
      check();
    } catch (error) {
      if (!(error instanceof Violation)) throw error;
      this.#violation ??= error;
    }
  }

  #require(key: string, moment: number): void {
    this.#requiredMoments.set(key, Math.max(moment, this.#requiredMoments.get(key) ?? 0));
    this.#unchecked.add(key);
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

  async #mutate(key: string, kind: 'any' | 'overwrite'): Promise<void> {
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
    this.#meddled.add(key);
    this.scheduler.note(() => `TARGET ${key}: ${what}`);
  }

  #deliverLater(service: Service, key: string, sizeBytes: number | null, delayMs: number): void {
    const run = (): void => this.#deliver(service, key, sizeBytes);
    this.scheduler.schedule({ receiver: null, delayMs, run });
  }

  /** Gives a change to the service, again and again until it is answered with success. */
  #deliver(service: Service, key: string, sizeBytes: number | null): void {
    const intake = service.anyIntake();
    if (intake === null) {
      this.#deliverLater(service, key, sizeBytes, 500);
      return;
    }
    const moment = this.#versions.record(sourceOf(key)).now;
    const again = (): void => this.#deliver(service, key, sizeBytes);
    const giveUp = this.scheduler.schedule({ receiver: null, delayMs: REDELIVERY_MS, run: again });
    intake({ changes: [changeOf(key, sizeBytes)], ignored: [], malformed: [] }).then(
      () => {
        giveUp();
        return this.#require(key, moment);
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
    this.#network.faultPermille = 0;
    this.#network.streamFaultPermille = 0;
    this.#network.hasLatency = false;
  }

  /** Steps until nothing is on its way and every transfer is done or parked. */
  async #untilQuiet(): Promise<void> {
    const lastStep = this.scheduler.stepCount + MAX_STEPS;
    while (!this.#isCalm || this.scheduler.isBusy || this.#services.some(({ ledger }) => ledger.hasPending)) {
      if (!(await this.scheduler.step())) throw new Violation('I7', 'work is pending and nobody does it');
      await this.#checkCoverage();
      if (this.#violation !== null) throw this.#violation;
      if (this.scheduler.stepCount > lastStep) throw new Violation('I7', 'the service does not come to rest');
    }
  }

  /** Where nothing is pending, the target shows every change that was accepted: I1 and I2 at any moment. */
  async #checkCoverage(): Promise<void> {
    // Two services without a common queue look at what the other did only when the next change comes.
    if (this.#services.length > 1) return;
    for (const key of this.#unchecked) {
      const moment = this.#requiredMoments.get(key);
      if (moment === undefined || this.#meddled.has(key)) {
        this.#unchecked.delete(key);
        continue;
      }
      const status = this.#services[0]?.ledger.status(key);
      if (status === 'pending') continue;
      this.#unchecked.delete(key);
      if (status === 'parked') continue;
      const source = sourceOf(key);
      const object = await snapshotOf(this.#target, targetOf(key));
      if (this.#versions.covers(source, object, moment, this.#rule.deletes)) continue;
      const what = this.#versions.label(source, object);
      throw new Violation(
        'I2',
        `nothing is pending for ${key}, but the target is ${what}: older than an accepted change`,
      );
    }
  }

  async #lookAgain(what: string): Promise<void> {
    this.scheduler.note(() => `--- ${what}`);
    for (const key of this.#scenario.keys) {
      // One service alone at the end: what the other one did is at rest.
      const [service] = this.#services;
      if (service !== undefined) this.#deliverLater(service, key, null, 0);
    }
    await this.#untilQuiet();
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
      const object = await snapshotOf(this.#target, targetOf(key));
      const difference = this.#versions.difference(sourceOf(key), object, this.#rule.deletes);
      if (difference !== null) throw new Violation('I2', `at rest, ${key}: ${difference}`);
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

function sourceOf(key: string): ObjectLocation {
  return { bucket: 'from', key };
}

function targetOf(key: string): ObjectLocation {
  return { bucket: 'to', key };
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
