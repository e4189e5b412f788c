// One lane of the crash test: a service that is killed at one crash point after the other, several objects under way
// each time, while its client goes on. Every few dozen kills everything comes to rest and is compared.
import { setTimeout as sleep } from 'node:timers/promises';
import { Choices } from '../model/choices.ts';
import { SOURCE_BUCKET } from '../system/service-under-test.ts';
import { CRASH_POINTS, type CrashPoint, type Work } from './crash-points.ts';
import type { Change } from './event-client.ts';
import type { DeletePolicy } from './ledger.ts';
import { ReplicationUnderFire } from './replication-under-fire.ts';
import { type Armed, armSign } from './sign-watcher.ts';
import { createdAgain } from './source-writer.ts';

const MIB = 1024 * 1024;
const KILLS_BETWEEN_RESTS = 40;
const LONGEST_WAIT_FOR_SIGN_MS = 10_000;
/** Long enough for everything that is let go after a restart; short, because every rest waits for it. */
const SETTLE_GRACE_SEC = 2;
const LATEST_LANDING_MS = 300;

export interface LaneReport {
  readonly kills: Map<string, number>;
  readonly missed: Map<string, number>;
  readonly totals: Map<string, number>;
  readonly violations: readonly string[];
  /** Empty where nothing is wrong. */
  readonly history: readonly string[];
}

export interface LaneOptions {
  readonly name: string;
  readonly kills: number;
  readonly seed: number;
  /** Null: sessions are not kept. */
  readonly encryptionKey: string | null;
  readonly deletes: DeletePolicy;
  readonly tell: (line: string) => void;
}

/** Kills the service `kills` times; ends early at the first rest that shows a violation. */
export async function runLane(options: LaneOptions): Promise<LaneReport> {
  const { name, kills, seed, encryptionKey, deletes, tell } = options;
  const report = { kills: new Map(), missed: new Map(), totals: new Map() };
  const choices = Choices.ofSeed(seed).part(name);
  const nextPoint = endlessly(
    CRASH_POINTS.filter(
      ({ needsStoredSession = false, work }) =>
        (encryptionKey !== null || !needsStoredSession) && (deletes === 'mirror' || work !== 'delete'),
    ),
    choices,
  );
  let done = 0;
  while (done < kills) {
    await using fire = await ReplicationUnderFire.start({
      choices,
      deletes,
      settings: {
        SETTLE_GRACE_SEC: String(SETTLE_GRACE_SEC),
        ...(encryptionKey === null ? {} : { REPLICATOR_ENCRYPTION_KEY: encryptionKey }),
      },
    });
    const points = Array.from({ length: Math.min(KILLS_BETWEEN_RESTS, kills - done) }, nextPoint);
    const rounds = new Rounds(fire, choices, report);
    const wrong = await wrongAfter(fire, async () => {
      for (const point of points) await rounds.killAt(point);
    });
    done += points.length;
    addTotals(report.totals, fire);
    tell(`${name}: ${done} of ${kills} rounds, ${wrong.violations.length} violations`);
    if (wrong.violations.length > 0) return { ...report, ...wrong };
  }
  return { ...report, violations: [], history: [] };
}

/** What is wrong once everything is at rest; a service that fails where it should not is one more violation. */
async function wrongAfter(
  fire: ReplicationUnderFire,
  run: () => Promise<void>,
): Promise<Pick<LaneReport, 'violations' | 'history'>> {
  try {
    await run();
    const violations = await fire.rest();
    const keys = new Set(violations.flatMap(({ key }) => (key === '' ? [] : [key])));
    return {
      violations: violations.map(({ key, what }) => (key === '' ? what : `${key}: ${what}`)),
      history: violations.length === 0 ? [] : fire.history.about([...keys].slice(0, 3)),
    };
  } catch (error) {
    const what = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return { violations: [what], history: fire.history.about([]) };
  }
}

function addTotals(totals: Map<string, number>, fire: ReplicationUnderFire): void {
  const { writer, client, ledger, counts } = fire;
  const all = { ...writer.counts, ...client.counts, ...counts, ...ledger.targetChanges };
  for (const [name, count] of Object.entries(all)) add(totals, name, count);
  add(totals, 'transfersNamedBy202', client.transferIds.size);
  add(totals, 'keys', ledger.keys.length);
}

function add(counts: Map<string, number>, name: string, count = 1): void {
  counts.set(name, (counts.get(name) ?? 0) + count);
}

/** All points in an order drawn anew each time they have all been. */
function endlessly(points: readonly CrashPoint[], choices: Choices): () => CrashPoint {
  let left: CrashPoint[] = [];
  return () => {
    if (left.length === 0) left = [...points];
    const [point] = left.splice(choices.pick(left.length), 1);
    if (point === undefined) throw new Error('There is no crash point');
    return point;
  };
}

class Rounds {
  readonly #fire: ReplicationUnderFire;
  readonly #choices: Choices;
  readonly #report: Omit<LaneReport, 'violations' | 'history'>;

  constructor(
    fire: ReplicationUnderFire,
    choices: Choices,
    report: Omit<LaneReport, 'violations' | 'history'>,
  ) {
    this.#fire = fire;
    this.#choices = choices;
    this.#report = report;
  }

  /** Gets work under way, kills the service at the point, and starts it again; the client goes on meanwhile. */
  async killAt(point: CrashPoint): Promise<void> {
    const { system, writer, client, history } = this.#fire;
    history.note(`next: ${point.name}`, true);
    const changes = await this.#prepare(point.work);
    const armed = await this.#untilSignIsDue(point, changes);
    const isSeen = await isSeenInTime(armed);
    add(isSeen ? this.#report.kills : this.#report.missed, point.name);
    if (!isSeen) {
      armed.release();
      this.#fire.kill('the step was not reached');
    }
    await system.service.kill();
    const isAccept = point.name.startsWith('accept');
    const meanwhile = isAccept ? [] : [await writer.anything()];
    for (const change of meanwhile) void client.announce([change]);
    await this.#fire.startAgain();
    if (isAccept) await this.#countKept(changes);
    await sleep(this.#choices.pick(LATEST_LANDING_MS));
    armed.release();
    system.clouds.s3.faults.clear();
  }

  /** Gets everything under way that leads to the sign, with the sign watched for. */
  async #untilSignIsDue(point: CrashPoint, changes: readonly Change[]): Promise<Armed> {
    const isInterrupted = point.work === 'interrupted';
    if (isInterrupted || point.atStart === true) this.#announce(changes);
    if (isInterrupted) await this.#untilHalfIsCopied(changes);
    if (point.atStart === true) {
      // A kill that is to hit the start needs an earlier one to start from.
      this.#fire.kill('to start again');
      add(this.#report.kills, 'anywhere, to have a start to kill');
      await this.#fire.system.service.kill();
    }
    const armed = this.#arm(point);
    if (point.atStart === true) await this.#startUnder(armed);
    else if (!isInterrupted) this.#announce(changes, point, armed);
    return armed;
  }

  #arm(point: CrashPoint): Armed {
    const { clouds, folder } = this.#fire.system;
    return armSign(point.sign, {
      clouds,
      dataFolder: `${folder}/data`,
      random: this.#choices.pick(1000) / 1000,
      onSign: () => this.#fire.kill(point.name),
    });
  }

  /** The sign may come before the service is ready, or after. A start that fails without it is a failure. */
  async #startUnder(armed: Armed): Promise<void> {
    try {
      await this.#fire.startAgain();
    } catch (error) {
      if (!armed.wasSeen()) throw error;
    }
  }

  /** Two changes that reach the point, and some of anything, so that a kill meets several objects in flight. */
  async #prepare(work: Work): Promise<Change[]> {
    const changes: Change[] = [];
    for (let count = 0; count < 2; count += 1) changes.push(await this.#change(work));
    const others = work === 'interrupted' ? 0 : 1 + this.#choices.pick(4);
    for (let count = 0; count < others; count += 1) changes.push(await this.#fire.writer.anything());
    return changes;
  }

  async #change(work: Work): Promise<Change> {
    const { writer, system } = this.#fire;
    if (work === 'create') return writer.create('small');
    if (work === 'large') return writer.create('large');
    if (work === 'interrupted') {
      const change = await writer.create('large');
      system.clouds.s3.faults.add({
        match: { method: 'GET', path: change.key.slice(change.key.lastIndexOf('/')) },
        effect: { kind: 'stall_response', afterBytes: MIB },
      });
      return change;
    }
    const key = await writer.someKey('small');
    await this.#bringToTarget(key);
    if (work === 'delete') return writer.remove(key);
    return work === 'overwrite' ? writer.overwrite(key) : writer.changeMetadata(key);
  }

  async #bringToTarget(key: string): Promise<void> {
    const { ledger, writer, client, system } = this.#fire;
    const change = ledger.isPresent(key) ? createdAgain(key) : await writer.overwrite(key);
    await client.announce([change]);
    await system.until(`the newest version of ${key} at the target`, async () =>
      ledger.isCurrent(key) ? true : null,
    );
  }

  #announce(changes: readonly Change[], point: CrashPoint | null = null, armed: Armed | null = null): void {
    const isAccept = point?.name.startsWith('accept') ?? false;
    const groups = this.#choices.chance(500) ? [changes] : changes.map((change) => [change]);
    for (const group of groups) {
      // Where it is counted what the service kept of a post without an answer, nothing may be posted again before.
      void this.#fire.client.announce(group, isAccept ? 1 : undefined, () => armed?.accepted());
    }
    armed?.posted();
  }

  /** The heartbeat writes how far a transfer got; from then on there is something to go on from. */
  async #untilHalfIsCopied(changes: readonly Change[]): Promise<void> {
    const { system } = this.#fire;
    await system.until('half of a large object', async () => {
      const transfer = await system.service.newest(SOURCE_BUCKET, changes[0]?.key ?? '');
      return transfer !== null && transfer.bytesDone > 0 ? transfer : null;
    });
  }

  /** Posts without an answer may have been stored or not; both happen, and both are announced again. */
  async #countKept(changes: readonly Change[]): Promise<void> {
    const { ledger, system, client } = this.#fire;
    await client.idle();
    for (const change of changes) {
      const { key } = change;
      if (ledger.isAccepted(key)) continue;
      const isNew = ledger.writtenVersion(key) === 1;
      const kept = await system.service.newest(SOURCE_BUCKET, key);
      if (isNew) add(this.#report.totals, kept === null ? 'unansweredAndNotStored' : 'unansweredAndStored');
      void client.announce([change]);
    }
  }
}

async function isSeenInTime(armed: Armed): Promise<boolean> {
  const timeout = new AbortController();
  const tooLate = sleep(LONGEST_WAIT_FOR_SIGN_MS, false, { signal: timeout.signal }).catch(() => false);
  const isSeen = await Promise.race([armed.seen.then(() => true), tooLate]);
  timeout.abort();
  return isSeen;
}
