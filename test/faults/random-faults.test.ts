// Random faults on every kind of request while objects are put, overwritten and deleted, over real HTTP, and two services
// that know nothing of each other copy them. At every moment the target shows one whole version and never an older one
// than before, and it loses an object only after the source did; at rest both sides are equal. The choices of a world
// follow from its seed, which is printed; the timing is that of the machine.
import assert from 'node:assert/strict';
import { hash, randomInt } from 'node:crypto';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { SandboxServer } from '../../sandbox/http-server.ts';
import type { SandboxS3 } from '../../sandbox/s3/sandbox-s3.ts';
import type { FaultEffect, ScriptedFault } from '../../sandbox/scripted-faults.ts';
import {
  BLOCK_BYTES,
  gcsError,
  notification,
  patternBytes,
  Pipeline,
  RULE,
  s3Error,
  SOURCE_BUCKET,
} from './pipeline.ts';

const WORLDS = 6;
const STEPS = 80;
const KEYS = ['a', 'b/c', 'd e+f', 'g%h'];
const SIZES = [0, 10, 5_000, BLOCK_BYTES - 20, BLOCK_BYTES, 2 * BLOCK_BYTES, 3 * BLOCK_BYTES + 7];
const MIRROR = { ...RULE, deletes: 'mirror' } as const;

/** Whole numbers below a bound, the same ones for the same seed. */
function choices(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

/** What happened to each key at the source, in order; what the target shows is held against it. */
class History {
  readonly #versions = new Map<string, { readonly etag: string; readonly bytes: Buffer }[]>();
  /** How many versions there were when the source last deleted the key. */
  readonly #deletedAfter = new Map<string, number>();
  readonly #shown = new Map<string, number>();
  readonly violations: string[] = [];

  /** Called before the put itself, so that no target can show what is not known here. */
  put(key: string, etag: string, bytes: Buffer): void {
    const versions = this.#versions.get(key) ?? [];
    versions.push({ etag, bytes });
    this.#versions.set(key, versions);
  }

  deleted(key: string): void {
    this.#deletedAfter.set(key, this.#versions.get(key)?.length ?? 0);
  }

  /** The target shows this now; null: nothing any more. */
  shows(key: string, object: { readonly etag: string; readonly bytes: Buffer } | null): void {
    const before = this.#shown.get(key) ?? -1;
    if (object === null) {
      const wasDeleted = (this.#deletedAfter.get(key) ?? 0) > before;
      if (!wasDeleted)
        this.violations.push(`${key} was removed although version ${before} was never deleted`);
      this.#shown.delete(key);
      return;
    }
    const versions = this.#versions.get(key) ?? [];
    const index = versions.findIndex(({ etag }) => etag === object.etag);
    if (versions[index]?.bytes.equals(object.bytes) !== true)
      this.violations.push(`${key} shows bytes that are not those of its stamp ${object.etag}`);
    if (index < before) this.violations.push(`${key} shows version ${index} after ${before}`);
    this.#shown.set(key, index);
  }
}

function sourceFault(pick: (below: number) => number, overwrite: () => Promise<unknown>): ScriptedFault {
  const atByte = pick(3 * BLOCK_BYTES);
  const effects: readonly FaultEffect[] = [
    s3Error(503, 'SlowDown'),
    s3Error(500, 'InternalError'),
    s3Error(403, 'AccessDenied'),
    { kind: 'status', status: 404, body: '<html>a proxy</html>' },
    { kind: 'cut_response', afterBytes: atByte },
    { kind: 'corrupt_response', atByte: pick(2_000) },
    { kind: 'lose_answer' },
    { kind: 'latency', ms: pick(30) },
    { kind: 'meanwhile', run: overwrite },
    {
      kind: 'edit_answer',
      edit: (answer) => ({
        ...answer,
        headers: { ...answer.headers, connection: 'close' },
        body: answer.body.subarray(0, atByte),
      }),
    },
  ];
  return faultOf(pick, pick(2) === 0 ? {} : { method: pick(2) === 0 ? 'GET' : 'HEAD' }, effects);
}

function targetFault(pick: (below: number) => number, overwrite: () => Promise<unknown>): ScriptedFault {
  const effects: readonly FaultEffect[] = [
    gcsError(503, 'backendError', 'busy'),
    gcsError(500, 'backendError', 'broken'),
    gcsError(429, 'rateLimitExceeded', 'slower'),
    { kind: 'status', status: 408 },
    { kind: 'cut_request', afterBytes: pick(3 * BLOCK_BYTES) },
    { kind: 'cut_response', afterBytes: pick(500) },
    { kind: 'corrupt_request', atByte: pick(3 * BLOCK_BYTES) },
    { kind: 'corrupt_response', atByte: pick(900) },
    { kind: 'lose_answer' },
    { kind: 'replace_answer', status: 503 },
    { kind: 'replace_answer', status: 500 },
    { kind: 'latency', ms: pick(30) },
    { kind: 'meanwhile', run: overwrite },
  ];
  const methods = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'];
  const method = methods[pick(methods.length)];
  return faultOf(pick, method === undefined ? {} : { method }, effects);
}

function faultOf(
  pick: (below: number) => number,
  match: ScriptedFault['match'],
  effects: readonly FaultEffect[],
): ScriptedFault {
  const effect = effects[pick(effects.length)];
  assert.ok(effect !== undefined);
  return { match, effect, skip: pick(3), times: 1 + pick(2) };
}

/** Puts and deletions at the source, each known to the history and followed by a notification. */
class Changes {
  readonly #pick: (below: number) => number;
  readonly #s3: SandboxS3;
  readonly #history: History;
  readonly #seed: number;
  #count = 0;
  /** Notifications that were not delivered yet. */
  unsent: object[] = [];

  constructor(pick: (below: number) => number, s3: SandboxS3, history: History, seed: number) {
    this.#pick = pick;
    this.#s3 = s3;
    this.#history = history;
    this.#seed = seed;
  }

  async put(): Promise<void> {
    const key = this.#key();
    this.#count += 1;
    const sizeBytes = SIZES[this.#pick(SIZES.length)] ?? 0;
    // Each version differs, so that its ETag, which is its MD5, tells which one it is.
    const bytes = patternBytes(sizeBytes + 20, this.#seed + this.#count);
    bytes.write(`version ${this.#count}.`);
    this.#history.put(key, hash('md5', bytes), bytes);
    const checksumAlgorithm = this.#pick(3) === 0 ? null : 'CRC64NVME';
    await this.#s3.putObject(SOURCE_BUCKET, key, bytes, { checksumAlgorithm });
    this.unsent.push(notification([key]));
  }

  delete(): void {
    const key = this.#key();
    this.#history.deleted(key);
    this.#s3.deleteObject(SOURCE_BUCKET, key);
    this.unsent.push(notification([key], 'ObjectRemoved:Delete'));
  }

  /** Delivers some of what is not delivered, in any order, and leaves some of it to be delivered again. */
  async deliverSome(services: readonly Pipeline[]): Promise<void> {
    const sent = this.unsent.filter(() => this.#pick(2) === 0);
    this.unsent = this.unsent.filter((document) => !sent.includes(document) || this.#pick(4) === 0);
    for (const document of sent.toReversed()) await services[this.#pick(services.length)]?.take(document);
  }

  #key(): string {
    return KEYS[this.#pick(KEYS.length)] ?? '';
  }
}

/** Running attempts are aborted, wherever they are, and go on in a new worker. */
async function restart(service: Pipeline | undefined): Promise<void> {
  await service?.stopWorker();
  service?.startWorker();
}

/** Returns how many faults happened. */
async function runWorld(seed: number): Promise<number> {
  const pick = choices(seed);
  const history = new History();
  await using pipeline = await Pipeline.open({
    rules: [MIRROR],
    onTargetChange: (key, object) => {
      const etag = object?.metadata['replicator-source-etag'] ?? '';
      history.shows(key, object === null ? null : { etag, bytes: object.read() });
    },
  });
  await using second = await Pipeline.open({ rules: [MIRROR], clouds: pipeline.clouds });
  const services = [pipeline, second];
  if (pick(2) === 0) pipeline.s3.setVersioning(SOURCE_BUCKET, 'enabled');
  const changes = new Changes(pick, pipeline.s3, history, seed);
  let scripted = 0;
  const script = ({ faults }: SandboxServer, fault: ScriptedFault): void => {
    scripted += fault.times ?? 1;
    faults.add(fault);
  };
  for (let step = 0; step < STEPS; step += 1) {
    const choice = pick(10);
    if (choice < 4) await changes.put();
    else if (choice < 5) changes.delete();
    else if (choice < 7)
      script(
        pipeline.s3,
        sourceFault(pick, async () => changes.put()),
      );
    else
      script(
        pipeline.gcs,
        targetFault(pick, async () => changes.put()),
      );
    if (pick(2) === 0) await changes.deliverSome(services);
    if (pick(20) === 0) await restart(services[pick(2)]);
    await sleep(pick(8));
  }
  const happened = scripted - pipeline.s3.faults.pending - pipeline.gcs.faults.pending;
  pipeline.s3.faults.clear();
  pipeline.gcs.faults.clear();
  for (const service of services) {
    for (const document of changes.unsent) await service.take(document);
    await service.atRest();
    await service.queue.redriveClass({ filter: {}, limit: 100, cursor: null });
    await service.atRest();
  }
  // One more look at each key, as a reconcile would do: the two services share no queue that would owe it.
  await pipeline.take(notification(KEYS));
  await pipeline.atRest();
  assert.deepEqual(history.violations, [], `seed ${seed}`);
  for (const key of KEYS) {
    if (pipeline.s3.getObject(SOURCE_BUCKET, key) === null)
      assert.equal(pipeline.targetBytes(key), null, `${key} is gone on both sides, seed ${seed}`);
    else pipeline.assertEqual(key);
  }
  return happened;
}

test('random faults on every kind of request: no mixed, older or missing object, and both sides are equal at rest', async (context) => {
  const firstSeed = randomInt(2 ** 31);
  context.diagnostic(`seeds ${firstSeed} to ${firstSeed + WORLDS - 1}`);
  let happened = 0;
  for (let world = 0; world < WORLDS; world += 1) happened += await runWorld(firstSeed + world);
  context.diagnostic(`${happened} faults happened`);
  assert.ok(happened > WORLDS, `${happened} faults happened`);
});
