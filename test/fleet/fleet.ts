// Several service processes on one PostgreSQL, between two sandbox clouds: one of them is killed again and again, and the
// database restarted, while changes are announced to whoever is up. At the end every object is at the target, written
// once, and every transfer that was promised is done.
import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { SOURCE_BUCKET, startTwoClouds, TARGET_BUCKET, type TwoClouds } from '../../sandbox/two-clouds.ts';
import { Choices } from '../model/choices.ts';
import { type PostgresServer, startPostgresServer } from '../postgres-server.ts';
import { notification } from '../system/service-under-test.ts';
import { FleetProcess } from './fleet-process.ts';

export interface FleetOptions {
  readonly processes: number;
  readonly transfers: number;
  readonly seed: number;
  readonly killEveryMs: number;
  /** As many at most; what the last of them held arrives when its lease has run out. */
  readonly maxKills: number;
  /** Changes are announced over at least this time; 0: as fast as they are taken. */
  readonly announceOverMs: number;
  /** How the database is restarted when half of the objects are there; null: not at all. */
  readonly databaseRestart: 'fast' | 'immediate' | null;
  readonly tell: (line: string) => void;
}

export interface FleetReport {
  readonly violations: readonly string[];
  readonly counts: ReadonlyMap<string, number>;
}

/** Whoever announces changes does so in documents of this many. */
const CHANGES_AT_ONCE = 20;
const ANNOUNCERS = 6;
const CHUNK_BYTES = 256 * 1024;
/** A machine may be slow; a fleet that is right never needs this long after its last object. */
const LONGEST_REST_MS = 240_000;
const LONGEST_RUN_MS = 1_200_000;

/** Runs everything and judges it. */
export async function runFleet(options: FleetOptions): Promise<FleetReport> {
  const fleet = await Fleet.open(options);
  try {
    return await fleet.run();
  } finally {
    await fleet.close();
  }
}

class Fleet {
  readonly #options: FleetOptions;
  readonly #server: PostgresServer;
  readonly #url: string;
  readonly #clouds: TwoClouds;
  readonly #folder: string;
  readonly #processes: readonly FleetProcess[];
  readonly #choices: Choices;
  /** Changes of each object at the target. */
  readonly #writes: Map<string, number>;
  readonly #promised = new Set<string>();
  readonly #violations: string[] = [];
  readonly #counts = new Map<string, number>();

  private constructor(
    options: FleetOptions,
    parts: {
      server: PostgresServer;
      url: string;
      clouds: TwoClouds;
      folder: string;
      writes: Map<string, number>;
    },
  ) {
    this.#options = options;
    this.#server = parts.server;
    this.#url = parts.url;
    this.#clouds = parts.clouds;
    this.#folder = parts.folder;
    this.#writes = parts.writes;
    this.#choices = Choices.ofSeed(options.seed);
    parts.clouds.gcs.watch(({ stage, method, rawUrl }) => {
      if (stage === 'arrived' && method === 'POST' && rawUrl.includes('uploadType='))
        this.#count('requests that began a write');
    });
    const settings = {
      ...parts.clouds.settings,
      DATABASE_URL: parts.url,
      CHUNK_SIZE_BYTES: String(CHUNK_BYTES),
      // What a killed process had under way is taken up when its lease and this are over.
      SETTLE_GRACE_SEC: '10',
      RECONCILE_INTERVAL_HOURS: '0',
      LOG_FORMAT: 'json',
    };
    this.#processes = Array.from(
      { length: options.processes },
      () => new FleetProcess({ settings, folder: parts.folder, onDied: (why) => this.#violations.push(why) }),
    );
  }

  static async open(options: FleetOptions): Promise<Fleet> {
    const writes = new Map<string, number>();
    const server = await startPostgresServer();
    const url = await server.newSchema();
    const clouds = await startTwoClouds({
      s3: 0,
      gcs: 0,
      keepBytes: false,
      onTargetChange: (key) => writes.set(key, (writes.get(key) ?? 0) + 1),
    });
    const folder = await mkdtemp(join(tmpdir(), 'replicator-fleet-'));
    return new Fleet(options, { server, url, clouds, folder, writes });
  }

  async close(): Promise<void> {
    await Promise.all(this.#processes.map(async (one) => one.stop()));
    await this.#clouds.close();
    await this.#server.close();
    await rm(this.#folder, { recursive: true, force: true });
  }

  async run(): Promise<FleetReport> {
    const { tell, transfers, databaseRestart } = this.#options;
    await Promise.all(this.#processes.map((one) => one.start()));
    const keys = await this.#fillSource(transfers);
    const startedMs = performance.now();
    const arrived = new AbortController();
    const killing = this.#killAgainAndAgain(arrived.signal);
    const announcing = this.#announceAll(keys);
    await this.#untilPresent(databaseRestart === null ? transfers : transfers / 2);
    if (databaseRestart !== null) {
      tell(`${this.#writes.size} objects are there: the database is restarted (${databaseRestart})`);
      await this.#server.shutDown(databaseRestart);
      await sleep(500);
      await this.#server.start();
    }
    await announcing;
    await this.#untilPresent(transfers);
    arrived.abort();
    await killing;
    const seconds = (performance.now() - startedMs) / 1000;
    tell(`${this.#writes.size} objects are there after ${seconds.toFixed(0)} s`);
    await this.#untilAtRest();
    await this.#judge(keys);
    for (const one of this.#processes) {
      const code = await one.stop();
      if (code !== 0) this.#violations.push(`a process ended with exit code ${code} after SIGTERM`);
    }
    return { violations: this.#violations, counts: this.#counts };
  }

  async #fillSource(transfers: number): Promise<string[]> {
    const sizes = this.#choices.part('sizes');
    const keys: string[] = [];
    for (let index = 0; index < transfers; index += 1) {
      const key = `folder ${index % 7}/é+%25/object-${index}`;
      await this.#clouds.s3.putObject(SOURCE_BUCKET, key, bytesOf(index, sizes.pick(400) === 1));
      keys.push(key);
    }
    return keys;
  }

  /** Each change until somebody takes it, some of them once more later. */
  async #announceAll(keys: readonly string[]): Promise<void> {
    const choices = this.#choices.part('announcing');
    const documents: (readonly string[])[] = [];
    for (let at = 0; at < keys.length; at += CHANGES_AT_ONCE)
      documents.push(keys.slice(at, at + CHANGES_AT_ONCE));
    for (const document of documents.filter(() => choices.chance(100))) documents.push(document);
    const pauseMs = (this.#options.announceOverMs * ANNOUNCERS) / documents.length;
    let next = 0;
    const announcer = async (): Promise<void> => {
      for (let document = documents[next++]; document !== undefined; document = documents[next++]) {
        while (!(await this.#announce(document, choices))) await sleep(50);
        await sleep(pauseMs);
      }
    };
    await Promise.all(Array.from({ length: ANNOUNCERS }, announcer));
  }

  async #announce(keys: readonly string[], choices: Choices): Promise<boolean> {
    const up = this.#processes.filter(({ isUp }) => isUp);
    const one = up[choices.pick(Math.max(up.length, 1))];
    if (one === undefined) return false;
    const answer = await one.post('/v1/events', notification(keys));
    if (answer?.status !== 202) {
      this.#count(answer === null ? 'posts without an answer' : `posts answered ${answer.status}`);
      return false;
    }
    const { transfers } = answer.body as { transfers: { id: string }[] };
    for (const { id } of transfers) this.#promised.add(id);
    this.#count('posts accepted');
    return true;
  }

  async #killAgainAndAgain(signal: AbortSignal): Promise<void> {
    const { killEveryMs, maxKills } = this.#options;
    const choices = this.#choices.part('kills');
    const starting: Promise<void>[] = [];
    while (starting.length < maxKills) {
      await sleep(killEveryMs, undefined, { signal }).catch(() => {});
      if (signal.aborted) break;
      const up = this.#processes.filter(({ isUp }) => isUp);
      const one = up[choices.pick(Math.max(up.length, 1))];
      if (one === undefined) continue;
      await one.kill();
      this.#count('kills');
      starting.push(one.start());
    }
    await Promise.all(starting);
  }

  async #untilPresent(count: number): Promise<void> {
    const deadlineMs = performance.now() + LONGEST_RUN_MS;
    while (this.#writes.size < count) {
      if (performance.now() > deadlineMs)
        throw new Error(
          `After ${LONGEST_RUN_MS / 1000} s ${this.#writes.size} of ${count} objects are there`,
        );
      await sleep(50);
    }
  }

  async #untilAtRest(): Promise<void> {
    const deadlineMs = performance.now() + LONGEST_REST_MS;
    for (;;) {
      const [found] = await this.#server.run(
        'SELECT count(*)::int AS live FROM replicator_transfers',
        this.#url,
      );
      if (found?.['live'] === 0) return;
      if (performance.now() > deadlineMs) {
        const rows = await this.#server.run(
          'SELECT status, fault, count(*)::int AS count FROM replicator_transfers GROUP BY 1, 2 LIMIT 5',
          this.#url,
        );
        this.#violations.push(`not at rest: ${JSON.stringify(rows)}`);
        return;
      }
      await sleep(200);
    }
  }

  async #judge(keys: readonly string[]): Promise<void> {
    for (const key of keys) {
      const source = this.#clouds.s3.getObject(SOURCE_BUCKET, key);
      const target = this.#clouds.gcs.getObject(TARGET_BUCKET, key);
      const isEqual = source !== null && target !== null && target.md5 === md5Of(source.bytes);
      if (!isEqual) this.#violations.push(`${key} is not what the source has`);
      const writes = this.#writes.get(key) ?? 0;
      if (writes !== 1) this.#violations.push(`${key} was written ${writes} times`);
    }
    const done = await this.#server.run('SELECT id, outcome FROM replicator_history', this.#url);
    for (const { outcome } of done) this.#count(`transfers ended ${String(outcome)}`);
    const ids = new Set(done.map(({ id }) => String(id)));
    for (const id of this.#promised)
      if (!ids.has(id)) this.#violations.push(`transfer ${id} was promised and is lost`);
    const [sums] = await this.#server.run(
      'SELECT sum(queued)::int AS queued, sum(copying)::int AS copying, sum(settling)::int AS settling, ' +
        'sum(parked)::int AS parked FROM replicator_tallies',
      this.#url,
    );
    if (Object.values(sums ?? {}).some((sum) => sum !== 0))
      this.#violations.push(`the counts say ${JSON.stringify(sums)}`);
    this.#counts.set('objects written', this.#writes.size);
  }

  #count(what: string): void {
    this.#counts.set(what, (this.#counts.get(what) ?? 0) + 1);
  }
}

/** Small bytes of its own for each object; some are larger than one request. */
function bytesOf(index: number, isLarge: boolean): Buffer {
  const seed = createHash('sha256').update(String(index)).digest();
  return Buffer.alloc(isLarge ? CHUNK_BYTES * 3 + index : index % 4_000, seed);
}

function md5Of(bytes: Buffer): string {
  return createHash('md5').update(bytes).digest('base64');
}
