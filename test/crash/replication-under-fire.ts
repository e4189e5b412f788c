// A service between two sandbox clouds that is killed again and again while a client goes on: everything that the
// crash test and the soak have in common. `rest` waits until nothing is under way and collects what is wrong.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Choices } from '../model/choices.ts';
import { SOURCE_BUCKET, SystemUnderTest } from '../system/service-under-test.ts';
import { EventClient } from './event-client.ts';
import { History } from './history.ts';
import { type DeletePolicy, Ledger } from './ledger.ts';
import { CHUNK_SIZE_BYTES, SourceWriter } from './source-writer.ts';

/** A machine may be slow; a service that is right never needs this long. */
const LONGEST_REST_MS = 180_000;
const TRANSFERS_AT_ONCE = 50;

const SETTINGS_OF: Record<DeletePolicy, Record<string, string>> = {
  ignore: {},
  mirror: {
    DELETES: 'mirror',
    // The account that the sandbox says it is.
    S3_EXPECTED_OWNER: '123456789012',
    // The brake has tests of its own; here nobody is there to release it.
    DELETE_BRAKE_COUNT: '1000000',
    DELETE_BRAKE_SHARE: '100',
  },
};

interface FireOptions {
  readonly choices: Choices;
  readonly deletes: DeletePolicy;
  readonly settings: Record<string, string>;
  /** See SourceWriter; without a limit where it is left out. */
  readonly maxKeys?: number;
}

export class ReplicationUnderFire {
  readonly system: SystemUnderTest;
  readonly ledger: Ledger;
  readonly history: History;
  readonly writer: SourceWriter;
  readonly client: EventClient;
  readonly counts = { starts: 1, resumedUploads: 0 };
  #pid: number;
  #isUp = true;
  #killedPid = 0;
  #countedLog: readonly string[] | null = null;

  private constructor(
    system: SystemUnderTest,
    ledger: Ledger,
    history: History,
    { choices, maxKeys = Number.POSITIVE_INFINITY }: FireOptions,
  ) {
    this.system = system;
    this.ledger = ledger;
    this.history = history;
    this.writer = new SourceWriter(system.clouds.s3, ledger, choices.part('writes'), maxKeys);
    this.client = new EventClient(() => (this.#isUp ? system.service.url : null), ledger, history);
    this.#pid = system.service.pid;
    for (const store of ['s3', 'gcs'] as const)
      system.clouds[store].watch(({ stage, method, rawUrl }) => {
        if (stage === 'arrived' || stage === 'done')
          history.note(`${store} ${stage}: ${method} ${rawUrl.replace(/upload_id=[^&]*/, 'upload_id')}`);
      });
  }

  static async start(options: FireOptions): Promise<ReplicationUnderFire> {
    const { deletes, settings } = options;
    const ledger = new Ledger(deletes);
    const history = new History();
    const system = await SystemUnderTest.start(
      {
        CHUNK_SIZE_BYTES: String(CHUNK_SIZE_BYTES),
        RETRY_BACKOFF_SEC: '0.05',
        ...SETTINGS_OF[deletes],
        ...settings,
      },
      {
        onTargetChange: (key, object) => {
          ledger.noteTarget(key, object);
          const shown = object === null ? 'nothing' : `generation ${object.generation}`;
          history.note(`the target shows ${shown}: ${key}`);
        },
      },
    );
    return new ReplicationUnderFire(system, ledger, history, options);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.system[Symbol.asyncDispose]();
  }

  /** SIGKILL, at once. The process may still be starting. */
  kill(why: string): void {
    this.#isUp = false;
    this.#killedPid = this.#pid;
    this.history.note(`SIGKILL: ${why}`, true);
    process.kill(this.#pid, 'SIGKILL');
  }

  /** SIGTERM, and the end of the process. Throws where it ends with another exit code than 0. */
  async stop(): Promise<void> {
    this.#isUp = false;
    this.history.note('SIGTERM', true);
    const code = await this.system.service.stop();
    if (code !== 0) throw new Error(`The service ended with exit code ${code} after SIGTERM`);
  }

  /** Starts the service on the same data folder. `onSpawned` is called before it is ready. */
  async startAgain(onSpawned: () => void = () => {}): Promise<void> {
    this.#countResumes();
    this.history.note('the service starts again', true);
    this.counts.starts += 1;
    await this.system.restart((pid) => {
      this.#pid = pid;
      onSpawned();
    });
    // It may have been killed as soon as it was ready.
    this.#isUp = this.#killedPid !== this.#pid;
    this.history.note(`the service is ready at ${this.system.service.url}`, true);
  }

  /** Waits until nothing is under way, compares both sides, and returns everything that is wrong. */
  async rest(): Promise<readonly { readonly key: string; readonly what: string }[]> {
    await this.client.idle();
    const restless = await this.#untilNothingWaits();
    const { violations } = this.ledger;
    if (restless !== null) violations.push({ key: '', what: restless });
    this.ledger.compareAtRest();
    await this.#inBatches([...this.client.transferIds], async (id) => this.#judgeTransfer(id));
    await this.#inBatches(this.ledger.keys, async (key) => this.#judgeReceipt(key));
    this.#countResumes();
    return violations;
  }

  async #untilNothingWaits(): Promise<string | null> {
    const deadlineMs = performance.now() + LONGEST_REST_MS;
    let counts: Readonly<Record<string, number>> = {};
    while (performance.now() < deadlineMs) {
      ({ counts } = (await this.system.service.get('/v1/status')).body as { counts: typeof counts });
      if (Object.values(counts).every((count) => count === 0)) return null;
      if ((counts['parked'] ?? 0) > 0) return `transfers are parked: ${await this.#parkedClasses()}`;
      await sleep(100);
    }
    return `not at rest after ${LONGEST_REST_MS / 1000} s: ${JSON.stringify(counts)}`;
  }

  async #parkedClasses(): Promise<string> {
    return JSON.stringify((await this.system.service.get('/v1/parked')).body);
  }

  /** Every transfer that a 202 named is known and done. */
  async #judgeTransfer(id: string): Promise<void> {
    const answer = await this.system.service.get(`/v1/transfers/${id}`);
    const { status } = answer.body as { status?: unknown };
    if (answer.status === 200 && status === 'done') return;
    const what = answer.status === 200 ? `is ${String(status)}` : `is unknown (${answer.status})`;
    this.ledger.violations.push({ key: '', what: `the accepted transfer ${id} ${what}` });
  }

  /** The newest receipt of a key is of the very object that the target shows. */
  async #judgeReceipt(key: string): Promise<void> {
    if (!this.ledger.isPresent(key) || this.ledger.shownGeneration(key) === null) return;
    const transfer = await this.system.service.newest(SOURCE_BUCKET, key);
    const receipt = transfer?.receipt?.generation;
    if (receipt === undefined || receipt === this.ledger.shownGeneration(key)) return;
    this.ledger.violations.push({ key, what: `its newest receipt is of another generation, ${receipt}` });
  }

  async #inBatches<Item>(items: readonly Item[], judge: (item: Item) => Promise<void>): Promise<void> {
    for (let from = 0; from < items.length; from += TRANSFERS_AT_ONCE)
      await Promise.all(items.slice(from, from + TRANSFERS_AT_ONCE).map(judge));
  }

  #countResumes(): void {
    const { logLines } = this.system.service;
    if (logLines === this.#countedLog) return;
    this.#countedLog = logLines;
    this.counts.resumedUploads += logLines.filter((line) => line.includes('resumed: continues')).length;
  }
}
