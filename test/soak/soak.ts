// One soak: for some minutes objects are written, overwritten and deleted, notifications come late, twice, in any order
// or never, the network to both stores misbehaves, and the service is killed and started again. Then everything comes
// to rest, a reconcile finds what was lost, and both sides are compared.
import { setTimeout as sleep } from 'node:timers/promises';
import type { DeletePolicy } from '../crash/ledger.ts';
import { ReplicationUnderFire } from '../crash/replication-under-fire.ts';
import { Choices } from '../model/choices.ts';
import { type Comparison, compareSides } from './compare-sides.ts';
import { Delivery } from './delivery.ts';
import { NetworkTroubles } from './network-troubles.ts';

const LONGEST_PAUSE_MS = 60;
const LONGEST_LIFE_MS = 8_000;
const SAMPLE_MS = 1_000;
const MAX_KEYS = 400;
const MAX_REDRIVES = 20;
const MIB = 1024 * 1024;

export interface SoakReport {
  readonly counts: ReadonlyMap<string, number>;
  readonly troubles: ReadonlyMap<string, number>;
  /** The most memory of the service in each minute of the run, in MiB. */
  readonly memoryMib: readonly number[];
  readonly comparison: Comparison;
  /** What was wrong on the way or at rest, in plain words; empty where nothing was. */
  readonly violations: readonly string[];
  /** What happened to the keys with a violation. */
  readonly history: readonly string[];
}

export interface SoakOptions {
  readonly durationMs: number;
  readonly seed: number;
  readonly deletes: DeletePolicy;
  readonly settings: Record<string, string>;
  /** True: a last kill frees what hangs on a stalled connection, which otherwise is waited for. */
  readonly endsWithKill: boolean;
}

/** Runs a soak with choices drawn from the seed; what meets what in time differs from run to run. */
export async function soak(options: SoakOptions): Promise<SoakReport> {
  const { durationMs, seed, deletes, settings, endsWithKill } = options;
  const choices = Choices.ofSeed(seed);
  await using fire = await ReplicationUnderFire.start({
    choices,
    deletes,
    maxKeys: MAX_KEYS,
    settings: {
      SETTLE_GRACE_SEC: '2',
      SHUTDOWN_GRACE_SEC: '2',
      // Nothing is parked for being unlucky often: what is parked then is a finding.
      RETRY_ATTEMPTS: '1000',
      ...settings,
    },
  });
  const run = new Soak(fire, choices, performance.now() + durationMs);
  await Promise.all([run.write(), run.trouble(), run.kill(), run.watchMemory()]);
  if (endsWithKill) await run.killOnce();
  const redriven = await run.comeToRest();
  const reconciled = await run.reconcile();
  const violations = await fire.rest();
  const comparison = compareSides(fire.system.clouds, deletes);
  const wrong = [...violations, ...comparison.differences];
  const keys = new Set(wrong.flatMap(({ key }) => (key === '' ? [] : [key])));
  return {
    counts: new Map(
      Object.entries({
        ...fire.writer.counts,
        ...run.delivery.counts,
        ...fire.client.counts,
        ...fire.counts,
        ...fire.ledger.targetChanges,
        ...run.counts,
        redriven,
        ...reconciled,
        transfers: fire.client.transferIds.size,
      }),
    ),
    troubles: run.troubles.counts,
    memoryMib: run.memoryMib,
    comparison,
    violations: wrong.map(({ key, what }) => (key === '' ? what : `${key}: ${what}`)),
    history: wrong.length === 0 ? [] : fire.history.about([...keys].slice(0, 3)),
  };
}

class Soak {
  readonly delivery: Delivery;
  readonly troubles: NetworkTroubles;
  readonly counts = { kills: 0, stops: 0 };
  readonly memoryMib: number[] = [];
  readonly #fire: ReplicationUnderFire;
  readonly #choices: Choices;
  readonly #startMs = performance.now();
  readonly #endMs: number;

  constructor(fire: ReplicationUnderFire, choices: Choices, endMs: number) {
    this.#fire = fire;
    this.#choices = choices;
    this.#endMs = endMs;
    this.delivery = new Delivery(fire.client, choices.part('delivery'));
    this.troubles = new NetworkTroubles(fire.system.clouds, choices.part('troubles'));
  }

  get #isOver(): boolean {
    return performance.now() >= this.#endMs;
  }

  async write(): Promise<void> {
    const choices = this.#choices.part('pace');
    while (!this.#isOver) {
      this.delivery.send(await this.#fire.writer.anything());
      await sleep(choices.pick(LONGEST_PAUSE_MS));
    }
  }

  async trouble(): Promise<void> {
    const choices = this.#choices.part('troubles');
    while (!this.#isOver) {
      this.troubles.addOne();
      await sleep(choices.pick(400));
    }
  }

  /** Kills the service again and again; one time in four it is asked to stop. */
  async kill(): Promise<void> {
    const choices = this.#choices.part('kills');
    for (;;) {
      const lifeMs = 200 + choices.pick(LONGEST_LIFE_MS);
      await sleep(Math.min(lifeMs, Math.max(this.#endMs - performance.now(), 0)));
      if (this.#isOver) return;
      if (choices.weighted([3, 1]) === 0) await this.killOnce();
      else {
        this.counts.stops += 1;
        await this.#fire.stop();
        await this.#fire.startAgain();
      }
    }
  }

  async killOnce(): Promise<void> {
    this.counts.kills += 1;
    this.#fire.kill('soak');
    await this.#fire.system.service.kill();
    await this.#fire.startAgain();
  }

  async watchMemory(): Promise<void> {
    while (!this.#isOver) {
      await sleep(SAMPLE_MS);
      const usedMib = await this.#memoryMib();
      if (usedMib === 0) continue;
      const minute = Math.floor((performance.now() - this.#startMs) / 60_000);
      this.memoryMib[minute] = Math.max(this.memoryMib[minute] ?? 0, usedMib);
    }
  }

  /** Ends all troubles, delivers what is on its way, and runs again what was parked; returns how much that was. */
  async comeToRest(): Promise<number> {
    this.troubles.end();
    await this.delivery.idle();
    let redriven = 0;
    for (let round = 0; round < MAX_REDRIVES; round += 1) {
      await this.#untilIdle();
      const { body } = await this.#fire.system.service.get('/v1/parked');
      const { classes } = body as { classes: { fault: { code: string }; count: number }[] };
      if (classes.length === 0) break;
      for (const { fault, count } of classes) {
        this.#fire.history.note(`redriven: ${count} with ${fault.code}`, true);
        await this.#fire.system.service.post('/v1/redrive', { fault: fault.code });
        redriven += count;
      }
    }
    return redriven;
  }

  /** Has both sides compared by the service: that is all that finds what was lost. */
  async reconcile(): Promise<Record<`reconciled${string}`, number>> {
    const { system } = this.#fire;
    const { runs } = (await system.service.post('/v1/reconciles', {})).body as { runs: { id: string }[] };
    const { counts } = await system.until('the end of the reconcile', async () => {
      const { body } = await system.service.get(`/v1/reconciles/${runs[0]?.id}`);
      const run = body as { state: string; counts: Record<'missing' | 'different' | 'orphans', number> };
      if (run.state === 'failed') throw new Error(`The reconcile failed: ${JSON.stringify(body)}`);
      return run.state === 'completed' ? run : null;
    });
    return {
      reconciledMissing: counts.missing,
      reconciledDifferent: counts.different,
      reconciledOrphans: counts.orphans,
    };
  }

  /** Nothing is running and nothing is due; what settles may still be looked at once more. */
  async #untilIdle(): Promise<void> {
    await this.#fire.system.until('an idle service', async () => {
      const { body } = await this.#fire.system.service.get('/v1/status');
      const { counts } = body as { counts: Record<string, number> };
      return (counts['queued'] ?? 0) + (counts['copying'] ?? 0) === 0 ? true : null;
    });
  }

  /** 0 where the service is not there to be asked. */
  async #memoryMib(): Promise<number> {
    try {
      const answer = await fetch(`${this.#fire.system.service.url}/metrics`);
      const bytes = /^process_resident_memory_bytes (\S+)$/m.exec(await answer.text())?.[1];
      return Math.round(Number(bytes ?? 0) / MIB);
    } catch {
      return 0;
    }
  }
}
