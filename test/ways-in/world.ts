// Two clouds, the objects that are written to the source, and what must be true at the end: every object is at the
// target as it was written last, whichever way its notification took.
import { setTimeout as sleep } from 'node:timers/promises';
import { SeededChance } from '../../sandbox/seeded-chance.ts';
import { type ServiceProcess, startService } from '../../sandbox/service-process.ts';
import { startSandboxSns, type SandboxSns } from '../../sandbox/sns/sandbox-sns.ts';
import { cloudDestinations } from '../../sandbox/cloud-destinations.ts';
import {
  CHANGES_QUEUE,
  SANDBOX_KEYS,
  SOURCE_BUCKET,
  startTwoClouds,
  type TwoClouds,
} from '../../sandbox/two-clouds.ts';
import type { DeliveryTrouble } from '../../sandbox/delivery-trouble.ts';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Comparison, compareSides } from '../soak/compare-sides.ts';

export const API_KEY = 'rpl_ways_of-these-tests-only';
/** Of ten messages one comes twice and one is overtaken. */
const TROUBLE = { duplicatePermille: 100, reorderPermille: 100, reorderMs: 400 };
const LONGEST_WAIT_MS = 180_000;

export class WaysWorld {
  readonly clouds: TwoClouds;
  /** Its addresses lead to this machine, as those of the clouds' own do not. */
  readonly sns: SandboxSns;
  readonly folder: string;
  readonly trouble: DeliveryTrouble;
  readonly #chance: SeededChance;
  readonly #stack = new AsyncDisposableStack();

  private constructor(
    clouds: TwoClouds,
    sns: SandboxSns,
    folder: string,
    seed: number,
    trouble: DeliveryTrouble,
  ) {
    this.clouds = clouds;
    this.sns = sns;
    this.folder = folder;
    this.trouble = trouble;
    this.#chance = new SeededChance(seed);
  }

  /** `isQueueTroubled`: the troubles happen in the queue; else whoever delivers has them. */
  static async start(seed: number, isQueueTroubled: boolean): Promise<WaysWorld> {
    const trouble = { ...TROUBLE, seed };
    const clouds = await startTwoClouds({
      s3: 0,
      gcs: 0,
      ...(isQueueTroubled ? { delivery: trouble } : {}),
    });
    const sns = await startSandboxSns({
      ...SANDBOX_KEYS,
      addresses: 'loopback',
      deliverToQueue: (arn, body, attributes) => clouds.sqs.deliver(arn, body, attributes),
    });
    clouds.s3.connect(cloudDestinations({ ...clouds, sns }));
    const folder = await mkdtemp(join(tmpdir(), 'replicator-ways-'));
    return new WaysWorld(clouds, sns, folder, seed, trouble);
  }

  /** Ends with the world, the newest first. */
  defer(end: () => Promise<unknown>): void {
    this.#stack.defer(async () => void (await end()));
  }

  /** The service, with these settings on top of those of the clouds. */
  async service(settings: Readonly<Record<string, string>> = {}): Promise<ServiceProcess> {
    const service = await startService({
      settings: {
        ...this.clouds.settings,
        REPLICATOR_DATA_DIR: join(this.folder, 'data'),
        CHUNK_SIZE_BYTES: '262144',
        RECONCILE_INTERVAL_HOURS: '0',
        LOG_FORMAT: 'json',
        ...settings,
      },
      port: 0,
      apiKey: API_KEY,
      folder: this.folder,
      onLog: () => {},
    });
    this.defer(() => service.stop());
    return service;
  }

  get queueArn(): string {
    return this.clouds.sqs.queueArn(CHANGES_QUEUE);
  }

  /** Sends the notifications of the source bucket to a queue, a topic or a function. */
  notify(kind: 'Queue' | 'Topic' | 'CloudFunction', arn: string): void {
    const events = ['s3:ObjectCreated:*'];
    this.clouds.s3.configureNotification(SOURCE_BUCKET, {
      rules: [{ id: 'ways', kind, arn, events, prefix: null, suffix: null }],
      eventBridge: false,
    });
  }

  /** Writes so many objects, some of them twice, some large, some with odd names. */
  async write(count: number): Promise<void> {
    for (let index = 0; index < count; index += 1) {
      const key = index % 20 === 7 ? `odd/ä +%2B ${index}/☃` : `plain/${index}`;
      const isLarge = index % 50 === 49;
      await this.#put(key, isLarge ? 300_000 : this.#chance.upTo(4_000));
      if (index % 10 === 3) await this.#put(key, this.#chance.upTo(4_000));
    }
  }

  async #put(key: string, sizeBytes: number): Promise<void> {
    const bytes = Buffer.alloc(sizeBytes);
    for (let at = 0; at < sizeBytes; at += 1) bytes[at] = this.#chance.upTo(255);
    await this.clouds.s3.putObject(SOURCE_BUCKET, key, bytes, {
      systemHeaders: { 'content-type': 'application/octet-stream' },
      metadata: { written: String(sizeBytes) },
    });
  }

  /** Resolves when both sides are equal and nothing more is on its way, or with the differences when time is up. */
  async equal(isAtRest: () => Promise<boolean>): Promise<Comparison> {
    const deadline = performance.now() + LONGEST_WAIT_MS;
    for (;;) {
      // First, because it also throws where the way is broken.
      const isIdle = await isAtRest();
      const comparison = compareSides(this.clouds, 'ignore');
      const isDone = isIdle && comparison.differences.length === 0;
      if (isDone || performance.now() > deadline) return comparison;
      await sleep(100);
    }
  }

  /** Nothing waits in the queue, nothing is in flight, nothing is dead. */
  isQueueEmpty(): boolean {
    const { visible, inFlight, delayed } = this.clouds.sqs.inspect(CHANGES_QUEUE);
    return visible + inFlight + delayed === 0;
  }

  deadLetters(): number {
    return this.clouds.sqs.inspect(`${CHANGES_QUEUE}-dead`).messages.length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
    await this.sns.close();
    await this.clouds.close();
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** True where the service has nothing left to do. */
export async function isServiceAtRest(service: ServiceProcess): Promise<boolean> {
  const { body } = (await service.get('/v1/status')) as {
    readonly body: { readonly counts: Readonly<Record<string, number>> };
  };
  const { queued = 0, copying = 0, settling = 0 } = body.counts;
  return queued + copying + settling === 0;
}
