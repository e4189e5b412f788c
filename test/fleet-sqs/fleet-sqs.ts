// Several workers without a database on one SQS queue, between two sandbox clouds: one of them is killed again and again
// while objects are written, overwritten, changed in their metadata and taken back to the version before; the queue
// doubles messages, reorders and delays them. At the end the queue is empty, nothing is among the dead letters, and
// every object is at the target as the source has it.
import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  CHANGES_QUEUE,
  SOURCE_BUCKET,
  startTwoClouds,
  TARGET_BUCKET,
  type TwoClouds,
} from '../../sandbox/two-clouds.ts';
import { Choices } from '../model/choices.ts';
import { WorkerProcess } from './worker-process.ts';

export interface FleetSqsOptions {
  readonly workers: number;
  readonly objects: number;
  readonly seed: number;
  readonly killEveryMs: number;
  readonly maxKills: number;
  /** Objects are written over at least this time. */
  readonly writeOverMs: number;
  readonly isVersioned: boolean;
  readonly tell: (line: string) => void;
}

export interface FleetSqsReport {
  readonly violations: readonly string[];
  readonly counts: ReadonlyMap<string, number>;
}

const CHUNK_BYTES = 256 * 1024;
/** Short, so that what a killed worker held comes back soon. */
const VISIBILITY_SEC = 12;
const GRACE_SEC = 4;
const WRITERS = 4;
/** A machine may be slow; a fleet that is right never needs this long after its last object. */
const LONGEST_REST_MS = 300_000;
/** Of a thousand messages. */
const DELIVERY = { duplicatePermille: 100, reorderPermille: 100, delayPermille: 50, delayMs: 1_500 };

/** Runs everything and judges it. */
export async function runFleetSqs(options: FleetSqsOptions): Promise<FleetSqsReport> {
  const clouds = await startTwoClouds({
    s3: 0,
    gcs: 0,
    keepBytes: false,
    through: 'sqs',
    delivery: { ...DELIVERY, seed: options.seed },
  });
  if (options.isVersioned) clouds.s3.setVersioning(SOURCE_BUCKET, 'enabled');
  const folder = await mkdtemp(join(tmpdir(), 'replicator-fleet-sqs-'));
  const fleet = new FleetSqs(options, clouds, folder);
  try {
    return await fleet.run();
  } finally {
    await fleet.close();
  }
}

class FleetSqs {
  readonly #options: FleetSqsOptions;
  readonly #clouds: TwoClouds;
  readonly #folder: string;
  readonly #choices: Choices;
  readonly #workers: WorkerProcess[];
  readonly #violations: string[] = [];
  readonly #counts = new Map<string, number>();

  constructor(options: FleetSqsOptions, clouds: TwoClouds, folder: string) {
    this.#options = options;
    this.#clouds = clouds;
    this.#folder = folder;
    this.#choices = Choices.ofSeed(options.seed);
    const settings = {
      ...clouds.settings,
      CHUNK_SIZE_BYTES: String(CHUNK_BYTES),
      SQS_VISIBILITY_SEC: String(VISIBILITY_SEC),
      SETTLE_GRACE_SEC: String(GRACE_SEC),
      LOG_FORMAT: 'json',
    };
    this.#workers = Array.from(
      { length: options.workers },
      () =>
        new WorkerProcess({
          settings,
          folder,
          onLog: (line) => this.#noteLine(line),
          onDied: (why) => this.#violations.push(why),
        }),
    );
  }

  async close(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.stop()));
    await this.#clouds.close();
    await rm(this.#folder, { recursive: true, force: true });
  }

  async run(): Promise<FleetSqsReport> {
    const { tell, objects } = this.#options;
    await Promise.all(this.#workers.map((worker) => worker.start()));
    const startedMs = performance.now();
    const isWritten = new AbortController();
    const killing = this.#killAgainAndAgain(isWritten.signal);
    const keys = Array.from({ length: objects }, (_, index) => `folder ${index % 7}/é+%25/object-${index}`);
    await this.#writeAll(keys);
    const written = (performance.now() - startedMs) / 1000;
    tell(`${this.#count('writes at the source', 0)} changes at the source within ${written.toFixed(0)} s`);
    await this.#untilMostlyRead();
    isWritten.abort();
    await killing;
    await this.#untilAtRest();
    tell(`at rest after ${((performance.now() - startedMs) / 1000).toFixed(0)} s`);
    this.#judge(keys);
    for (const worker of this.#workers) {
      const code = await worker.stop();
      if (code !== 0) this.#violations.push(`a worker ended with exit code ${code} after SIGTERM`);
    }
    return { violations: this.#violations, counts: this.#counts };
  }

  /** Every object is written once; half of them are changed again, some of these soon after. */
  async #writeAll(keys: readonly string[]): Promise<void> {
    const choices = this.#choices.part('writing');
    const steps: { readonly key: string; readonly step: number }[] = [];
    for (const key of keys) steps.push({ key, step: 0 });
    for (const key of keys.filter(() => choices.chance(500))) steps.push({ key, step: 1 });
    for (const key of keys.filter(() => choices.chance(200))) steps.push({ key, step: 2 });
    const pauseMs = (this.#options.writeOverMs * WRITERS) / steps.length;
    let next = 0;
    const writer = async (): Promise<void> => {
      for (let step = steps[next++]; step !== undefined; step = steps[next++]) {
        await this.#change(step.key, step.step);
        await sleep(pauseMs);
      }
    };
    await Promise.all(Array.from({ length: WRITERS }, writer));
  }

  async #change(key: string, step: number): Promise<void> {
    const choices = this.#choices.part('sizes');
    const { s3 } = this.#clouds;
    this.#count('writes at the source');
    const current = s3.getObject(SOURCE_BUCKET, key);
    const kind =
      step === 0 || current === null ? 0 : choices.weighted([5, 2, this.#options.isVersioned ? 4 : 0]);
    if (kind === 2 && current !== null) {
      s3.deleteObject(SOURCE_BUCKET, key, current.versionId);
      this.#count('versions taken back');
    } else if (kind === 1 && current !== null) {
      await s3.putObject(SOURCE_BUCKET, key, current.bytes, { metadata: { step: String(step) } });
      this.#count('metadata changed');
    } else await s3.putObject(SOURCE_BUCKET, key, bytesOf(`${key} ${step}`, choices.chance(5)));
  }

  async #killAgainAndAgain(signal: AbortSignal): Promise<void> {
    const { killEveryMs, maxKills } = this.#options;
    const choices = this.#choices.part('kills');
    for (let kills = 0; kills < maxKills; kills += 1) {
      await sleep(killEveryMs, undefined, { signal }).catch(() => {});
      if (signal.aborted) return;
      const worker = this.#workers[choices.pick(this.#workers.length)];
      await worker?.kill();
      this.#count('kills');
      await worker?.start();
    }
  }

  /** Killing goes on until little is left. */
  async #untilMostlyRead(): Promise<void> {
    const deadlineMs = performance.now() + LONGEST_REST_MS;
    while (this.#queued() > this.#options.objects / 20 && performance.now() < deadlineMs) await sleep(100);
  }

  /** Until no message is in the queue, hidden and delayed ones included. */
  async #untilAtRest(): Promise<void> {
    const deadlineMs = performance.now() + LONGEST_REST_MS;
    while (this.#queued() > 0) {
      if (performance.now() > deadlineMs) {
        const { visible, inFlight, delayed } = this.#clouds.sqs.inspect(CHANGES_QUEUE);
        this.#violations.push(`not at rest: ${visible} visible, ${inFlight} in flight, ${delayed} delayed`);
        return;
      }
      await sleep(100);
    }
  }

  #queued(): number {
    const { visible, inFlight, delayed } = this.#clouds.sqs.inspect(CHANGES_QUEUE);
    return visible + inFlight + delayed;
  }

  #judge(keys: readonly string[]): void {
    const { s3, gcs, sqs } = this.#clouds;
    for (const key of keys) {
      const source = s3.getObject(SOURCE_BUCKET, key);
      const target = gcs.getObject(TARGET_BUCKET, key);
      // Deletes are not mirrored: what is gone from the source may still be at the target.
      if (source === null) continue;
      this.#count('objects compared');
      const isEqual =
        target !== null &&
        target.md5 === md5Of(source.bytes) &&
        (target.metadata['step'] ?? '') === (source.metadata['step'] ?? '') &&
        (source.versionId === 'null' || target.metadata['replicator-source-version-id'] === source.versionId);
      if (!isEqual) this.#violations.push(`${key} is not what the source has`);
    }
    const dead = sqs.inspect(`${CHANGES_QUEUE}-dead`).messages;
    for (const { body } of dead) this.#violations.push(`among the dead letters: ${body.slice(0, 300)}`);
    const { sent, received, trouble } = sqs.inspect(CHANGES_QUEUE);
    this.#count('messages sent to the queue', sent);
    this.#count('messages received', received);
    this.#count('messages that came twice', trouble.duplicated);
    this.#count('messages that others overtook', trouble.reordered);
  }

  #noteLine(line: string): void {
    if (!line.startsWith('{')) return;
    const { msg, outcome } = JSON.parse(line) as { readonly msg?: string; readonly outcome?: string };
    if (outcome !== undefined) this.#count(`attempts ended ${outcome}`);
    if (msg?.startsWith('sent to the queue once more') === true) this.#count('looks after the grace');
    if (msg?.startsWith('retrying') === true) this.#count('retries');
    if (msg?.startsWith('lease lost') === true) this.#count('leases lost');
  }

  #count(name: string, by = 1): number {
    const count = (this.#counts.get(name) ?? 0) + by;
    this.#counts.set(name, count);
    return count;
  }
}

function bytesOf(text: string, isLarge: boolean): Buffer {
  return Buffer.alloc((isLarge ? CHUNK_BYTES : 512) + text.length, `${text} `);
}

function md5Of(bytes: Uint8Array): string {
  return createHash('md5').update(bytes).digest('base64');
}
