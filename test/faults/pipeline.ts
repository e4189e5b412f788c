// The pipeline of the service in one process, from a parsed document to the verified object: real intake, worker and
// drivers, two sandbox clouds over real HTTP whose requests can be made to go wrong. Waits are cut short, so that
// what the service does after a pause is seen at once; limits of connections are those of the test.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { SandboxGcs } from '../../sandbox/gcs/sandbox-gcs.ts';
import type { SandboxS3 } from '../../sandbox/s3/sandbox-s3.ts';
import {
  SANDBOX_KEYS,
  SOURCE_BUCKET,
  startTwoClouds,
  TARGET_BUCKET,
  type TwoClouds,
} from '../../sandbox/two-clouds.ts';
import { openChecksumEngine } from '../../src/checksums/native-checksums.ts';
import type { Clock } from '../../src/core/clock.ts';
import type { FaultCode } from '../../src/core/faults.ts';
import type { Happenings } from '../../src/core/happenings.ts';
import type { Rule } from '../../src/core/rule.ts';
import { PLAIN_RULE } from '../../src/core/testing/samples.ts';
import type { TransferQueue } from '../../src/core/transfer-queue.ts';
import type { Transfer } from '../../src/core/transfer.ts';
import { openMemoryNotes } from '../../src/queues/memory/memory-notes.ts';
import { openMemoryQueue } from '../../src/queues/memory/memory-queue.ts';
import { createIntake, type IntakeAnswer } from '../../src/replication/accept-change.ts';
import { ByteBudget } from '../../src/replication/byte-budget.ts';
import type { Stores } from '../../src/replication/copy-object.ts';
import { DeleteBrake } from '../../src/replication/delete-brake.ts';
import { Worker } from '../../src/replication/worker.ts';
import { TEST_HTTP_CLIENT } from '../http-client.ts';
import { type GcsTargetOptions, openGcsTarget } from '../../src/stores/gcs/gcs-target.ts';
import { openS3Source, type S3SourceOptions } from '../../src/stores/s3/s3-source.ts';
import { SYSTEM_CLOCK, SYSTEM_RANDOM } from '../../src/system-clock.ts';
import { parseChangeDocument } from '../../src/triggers/s3-notification.ts';

export { SOURCE_BUCKET, TARGET_BUCKET };

export const BLOCK_BYTES = 256 * 1024;
/** Objects above this go through an upload session. */
const CHUNK_BYTES = BLOCK_BYTES;
export const MAX_ATTEMPTS = 4;
const LONGEST_SLEEP_MS = 20;
const LEASE_MS = 60_000;
const SETTLE_GRACE_MS = 50;
/** Generous: machines that run tests are slow and shared; a test that is right never waits this long. */
const LONGEST_WAIT_MS = 60_000;

export const RULE: Rule = {
  ...PLAIN_RULE,
  source: { ...PLAIN_RULE.source, bucket: SOURCE_BUCKET },
  target: { ...PLAIN_RULE.target, bucket: TARGET_BUCKET },
};

export interface PipelineOptions {
  readonly rules?: readonly Rule[];
  /** What differs from a source and a target that are right for the sandbox. */
  readonly source?: Partial<S3SourceOptions>;
  readonly target?: Partial<GcsTargetOptions>;
  /** What differs from a plain target cloud. */
  readonly targetCloud?: Pick<Parameters<typeof startTwoClouds>[0], 'targetNowMs' | 'rateLimitPerObject'>;
  /** Told of every object the moment it becomes visible at the target. */
  readonly onTargetChange?: Parameters<typeof startTwoClouds>[0]['onTargetChange'];
  /** Clouds of another pipeline, which closes them. */
  readonly clouds?: TwoClouds;
  /** The wall clock and the monotonic clock of queue, worker and drivers. */
  readonly time?: Partial<Pick<Clock, 'nowMs' | 'monotonicMs'>>;
  readonly leaseMs?: number;
  /** Bytes of small objects in memory at once. */
  readonly memoryBytes?: number;
  readonly maxConcurrency?: number;
  /** The longest pause before another attempt; very short by default. */
  readonly backoffCapMs?: number;
}

/** A clock on which nobody sleeps for long. */
function hurried(clock: Clock): Clock {
  return {
    ...clock,
    sleep: async (ms, signal) => SYSTEM_CLOCK.sleep(Math.min(ms, LONGEST_SLEEP_MS), signal),
  };
}

export class Pipeline implements AsyncDisposable {
  readonly s3: SandboxS3;
  readonly gcs: SandboxGcs;
  readonly queue: TransferQueue;
  /** Happenings in their order. */
  readonly told: { readonly name: string; readonly event: Record<string, unknown> }[] = [];
  readonly clouds: TwoClouds;
  readonly #stores: Stores;
  readonly #closeStores: () => Promise<void>;
  readonly #rules: readonly Rule[];
  readonly #options: PipelineOptions;
  #worker: Worker | null = null;

  private constructor(
    clouds: TwoClouds,
    stores: Stores,
    closeStores: () => Promise<void>,
    options: PipelineOptions,
  ) {
    this.clouds = clouds;
    this.s3 = clouds.s3;
    this.gcs = clouds.gcs;
    this.#stores = stores;
    this.#closeStores = closeStores;
    this.#rules = options.rules ?? [RULE];
    this.#options = options;
    this.queue = openMemoryQueue({
      clock: stores.clock,
      leaseMs: options.leaseMs ?? LEASE_MS,
      settleGraceMs: SETTLE_GRACE_MS,
      smallMaxBytes: CHUNK_BYTES,
      newId: randomUUID,
    });
  }

  /** Opens everything and starts the worker. */
  static async open(options: PipelineOptions = {}): Promise<Pipeline> {
    const clouds =
      options.clouds ??
      (await startTwoClouds({
        s3: 0,
        gcs: 0,
        ...options.targetCloud,
        ...(options.onTargetChange === undefined ? {} : { onTargetChange: options.onTargetChange }),
      }));
    const clock = { ...SYSTEM_CLOCK, ...options.time };
    const source = await openS3Source({
      region: 'us-east-1',
      endpoint: clouds.s3.url,
      credentials: async () => SANDBOX_KEYS,
      expectedOwner: () => null,
      clock,
      httpClient: TEST_HTTP_CLIENT,
      ...options.source,
    });
    const opened = await openGcsTarget({
      endpoint: clouds.gcs.url,
      accessToken: null,
      clock,
      timeouts: { connectMs: 5_000, headersMs: 10_000, bodyIdleMs: 10_000 },
      connections: 16,
      httpClient: TEST_HTTP_CLIENT,
      ...options.target,
    });
    // No pause between two writes of one name: what comes between them is scripted by the request.
    const target = { ...opened, capabilities: { ...opened.capabilities, sameNameIntervalMs: 0 } };
    const stores: Stores = {
      source,
      target,
      checksums: openChecksumEngine(),
      clock: hurried(clock),
      byteBudget: new ByteBudget(options.memoryBytes ?? 64 * 1024 * 1024),
      deleteBrake: new DeleteBrake({
        notes: openMemoryNotes(),
        clock: SYSTEM_CLOCK,
        happenings: { brakeTripped: () => {}, workerTroubled: () => {} },
      }),
      chunkBytes: CHUNK_BYTES,
      effectDeadlineMs: 10_000,
    };
    const closeStores = async (): Promise<void> => {
      await source.close();
      await target.close();
    };
    const pipeline = new Pipeline(clouds, stores, closeStores, options);
    pipeline.startWorker();
    return pipeline;
  }

  /** Starts a worker over the stores, some of them replaced. */
  startWorker(replaced: Partial<Stores> = {}): void {
    const { maxConcurrency = 4, backoffCapMs = LONGEST_SLEEP_MS } = this.#options;
    this.#worker = new Worker({
      queue: this.queue,
      rules: this.#rules,
      stores: { ...this.#stores, ...replaced },
      clock: this.#stores.clock,
      random: SYSTEM_RANDOM,
      happenings: this.#happenings(),
      maxConcurrency,
      maxAttempts: MAX_ATTEMPTS,
      backoff: { baseMs: 2, capMs: backoffCapMs },
      leaseMs: this.#options.leaseMs ?? LEASE_MS,
    });
    this.#worker.start();
  }

  /** Ends the worker at once, as a stop of the service without grace would; its rows are given back. */
  async stopWorker(): Promise<void> {
    await this.#worker?.stop(0);
    this.#worker = null;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stopWorker();
    await this.#closeStores();
    await this.queue.close();
    if (this.#options.clouds === undefined) await this.clouds.close();
  }

  /** Takes a document as the intake route does. */
  async take(document: unknown): Promise<IntakeAnswer> {
    const accept = createIntake({ rules: this.#rules, queue: this.queue, happenings: this.#happenings() });
    return accept(parseChangeDocument(document));
  }

  /** Announces a key without a size and gives its newest transfer once it is done or parked. */
  async replicate(key: string): Promise<Transfer> {
    await this.take(notification([key]));
    return this.ended(key);
  }

  /** The newest transfer of a key once it is done or parked. */
  async ended(key: string): Promise<Transfer> {
    return this.until(`the end of ${JSON.stringify(key)}`, async () => {
      const transfer = await this.newest(key);
      return transfer?.status === 'done' || transfer?.status === 'parked' ? transfer : null;
    });
  }

  /** Waits until nothing is queued, running or settling any more. */
  async atRest(): Promise<void> {
    await this.until('rest', async () => {
      const { queued, copying, settling } = (await this.queue.counts()).byStatus;
      return queued + copying + settling === 0 ? true : null;
    });
  }

  /** Makes a parked transfer of a key due again and gives it once it has ended anew. */
  async redriven(key: string): Promise<Transfer> {
    const parked = await this.newest(key);
    assert.equal(parked?.status, 'parked');
    await this.queue.redrive(parked.id);
    return this.ended(key);
  }

  /** Writes an object at the target past the service, as somebody else would. */
  async foreignWrite(key: string, bytes: string): Promise<void> {
    const query = `uploadType=media&name=${encodeURIComponent(key)}`;
    const address = `${this.gcs.url}/upload/storage/v1/b/${TARGET_BUCKET}/o?${query}`;
    const answer = await fetch(address, { method: 'POST', body: bytes });
    assert.equal(answer.status, 200, await answer.text());
  }

  async foreignDelete(key: string): Promise<void> {
    const address = `${this.gcs.url}/storage/v1/b/${TARGET_BUCKET}/o/${encodeURIComponent(key)}`;
    const answer = await fetch(address, { method: 'DELETE' });
    assert.equal(answer.status, 204, await answer.text());
  }

  async newest(key: string): Promise<Transfer | null> {
    const filter = { bucket: SOURCE_BUCKET, key };
    const { transfers } = await this.queue.list({ filter, cursor: null, limit: 1 });
    return transfers[0] ?? null;
  }

  /** Asks until `find` answers something other than null. */
  async until<Found>(what: string, find: () => Promise<Found | null> | Found | null): Promise<Found> {
    const deadline = performance.now() + LONGEST_WAIT_MS;
    while (performance.now() < deadline) {
      const found = await find();
      if (found !== null) return found;
      await sleep(3);
    }
    throw new Error(`Waited in vain for ${what}: ${JSON.stringify(this.told.slice(-10))}`);
  }

  /** The target's bytes of a key; null where it has no such object. */
  targetBytes(key: string): Buffer | null {
    return this.gcs.getObject(TARGET_BUCKET, key)?.read() ?? null;
  }

  /** Fails unless the target holds the bytes that the source holds now, under the stamp of that state. */
  assertEqual(key: string): void {
    const source = this.s3.getObject(SOURCE_BUCKET, key);
    const target = this.gcs.getObject(TARGET_BUCKET, key);
    assert.ok(source !== null && target !== null, `${key} is on both sides`);
    assert.ok(source.bytes.equals(target.read()), `${key} has the same bytes on both sides`);
    assert.equal(target.metadata['replicator-source-etag'], source.etag);
    assert.equal(target.metadata['replicator-crc32c'], target.crc32c);
  }

  /** Announces a key that was put before, and fails unless it arrives as it is. */
  async assertReplicates(key: string): Promise<Transfer> {
    const transfer = await this.replicate(key);
    assert.equal(transfer.status, 'done', JSON.stringify(transfer.fault));
    assert.equal(transfer.outcome, 'replicated');
    this.assertEqual(key);
    return transfer;
  }

  /** Announces a key and fails unless its transfer parks with this fault. */
  async assertParks(key: string, code: FaultCode): Promise<Transfer> {
    const transfer = await this.replicate(key);
    assert.deepEqual([transfer.status, transfer.fault?.code], ['parked', code], JSON.stringify(transfer));
    return transfer;
  }

  /** The faults after which attempts were repeated, in their order. */
  retriedFaults(): string[] {
    return this.told
      .filter(({ name }) => name === 'transferRetrying')
      .map(({ event }) => (event['fault'] as { code: string }).code);
  }

  /** Fails unless every fault of both scripts has happened. */
  assertAllHappened(): void {
    assert.deepEqual([this.s3.faults.pending, this.gcs.faults.pending], [0, 0], 'Every fault has happened');
  }

  #happenings(): Happenings {
    return new Proxy({} as Happenings, {
      get: (_, name) => (event: Record<string, unknown>) =>
        void this.told.push({ name: String(name), event }),
    });
  }
}

/** A notification of S3 about these keys, encoded as S3 encodes them; `object` is added to each record's object. */
export function notification(
  keys: readonly string[],
  eventName = 'ObjectCreated:Put',
  object: object = {},
): { Records: object[] } {
  return {
    Records: keys.map((key) => ({
      eventVersion: '2.1',
      eventSource: 'aws:s3',
      awsRegion: 'us-east-1',
      eventTime: new Date().toISOString(),
      eventName,
      s3: {
        s3SchemaVersion: '1.0',
        bucket: { name: SOURCE_BUCKET },
        object: { key: encodeURIComponent(key).replaceAll('%20', '+').replaceAll('%2F', '/'), ...object },
      },
    })),
  };
}

/** An error document of S3. */
export function s3Error(
  status: number,
  code: string,
  message = code,
): { readonly kind: 'status'; readonly status: number; readonly body: string } {
  const body = `<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code><Message>${message}</Message></Error>`;
  return { kind: 'status', status, body };
}

/** An error of the JSON API. */
export function gcsError(
  status: number,
  reason: string,
  message: string,
): { readonly kind: 'status'; readonly status: number; readonly body: string } {
  const error = { code: status, message, errors: [{ domain: 'global', reason, message }] };
  return { kind: 'status', status, body: JSON.stringify({ error }) };
}

/** Bytes without a short period, so that a shifted or doubled piece cannot look right. */
export function patternBytes(sizeBytes: number, seed = 1): Buffer {
  const bytes = Buffer.alloc(sizeBytes);
  let state = (0x2545f491 ^ seed) >>> 0;
  for (let index = 0; index < sizeBytes; index += 1) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[index] = state >>> 24;
  }
  return bytes;
}
