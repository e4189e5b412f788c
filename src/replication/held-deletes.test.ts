import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import type { ObjectLocation } from '../core/object.ts';
import type { ObjectTarget } from '../core/object-target.ts';
import type { Rule } from '../core/rule.ts';
import type { Transfer } from '../core/transfer.ts';
import { DeleteBrake } from './delete-brake.ts';
import { HeldDeletes } from './held-deletes.ts';
import { LEASE_MS, RULE, World } from './testing/world.ts';
import { Worker } from './worker.ts';

const MIRROR: Rule = {
  ...RULE,
  deletes: 'mirror',
  deleteBrake: { count: 5, sharePercent: 100, windowMs: 3_600_000 },
};
const signal = new AbortController().signal;
const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

/** A service over the world: killed without a word, or stopped, and opened again on the same queue and notes. */
class Service {
  readonly world: World;
  readonly held: HeldDeletes;
  readonly worker: Worker;

  constructor(world: World, replaced: Partial<ObjectTarget> = {}) {
    this.world = world;
    const { queue, clock } = world;
    const happenings = world.happenings();
    const brake = new DeleteBrake({ notes: world.notes, clock, happenings });
    this.held = new HeldDeletes({ rules: [MIRROR], queue, brake, clock, happenings });
    this.worker = new Worker({
      queue,
      rules: [MIRROR],
      stores: { ...world.stores({ target: replaced }), deleteBrake: brake },
      clock,
      random: { next: () => 0.5 },
      happenings,
      maxConcurrency: 4,
      maxAttempts: 3,
      backoff: { baseMs: 1000, capMs: 10_000 },
      leaseMs: LEASE_MS,
    });
    this.worker.start();
    closing.push(async () => this.worker.stop(0));
  }

  async brake(): Promise<{ isTripped: boolean; held: number }> {
    const [first] = await this.held.list();
    assert.ok(first !== undefined);
    return { isTripped: first.brake.trip !== null, held: first.held };
  }

  async decide(action: 'release' | 'reject'): Promise<number> {
    return this.held.decide(MIRROR.name, action, () => false);
  }
}

const at = (bucket: string, key: string): ObjectLocation => ({ bucket, key });
const keysFrom = (count: number): string[] => Array.from({ length: count }, (_, index) => `key-${index}`);

async function accept(world: World, keys: readonly string[], kind: 'created' | 'removed'): Promise<void> {
  for (const key of keys) await world.accept({ key, kind }, MIRROR);
  await atRest(world);
}

/** Waits until nothing is queued, copying or settling. */
async function atRest(world: World): Promise<void> {
  for (let turn = 0; turn < 200_000; turn += 1) {
    const { byStatus } = await world.queue.counts();
    if (byStatus.queued + byStatus.copying + byStatus.settling === 0) return;
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
  throw new Error('The queue never came to rest');
}

/** A service with so many objects at both sides, all of which are then deleted at the source. */
async function afterMassDelete(count: number): Promise<{ world: World; service: Service; keys: string[] }> {
  const world = new World();
  const service = new Service(world);
  const keys = keysFrom(count);
  for (const key of keys) world.source.put(at('from', key), Buffer.from(key), {});
  await accept(world, keys, 'created');
  for (const key of keys) world.source.remove(at('from', key));
  await accept(world, keys, 'removed');
  return { world, service, keys };
}

function left(world: World, keys: readonly string[]): string[] {
  return keys.filter((key) => world.target.bytesOf(at('to', key)) !== null);
}

async function transferOf(world: World, key: string): Promise<Transfer> {
  const { transfers } = await world.queue.list({
    filter: { bucket: 'from', key },
    cursor: null,
    limit: 1,
  });
  const [newest] = transfers;
  assert.ok(newest !== undefined);
  return newest;
}

test('past the limit deletes are held with the reason, copies go on, and a look again holds again', async () => {
  const { world, service, keys } = await afterMassDelete(20);
  assert.equal(left(world, keys).length, 15);
  assert.deepEqual(await service.brake(), { isTripped: true, held: 15 });
  const [held] = (await world.queue.list({ filter: { status: 'parked' }, cursor: null, limit: 1 })).transfers;
  assert.equal(held?.fault?.code, 'delete_brake');
  assert.match(
    held.fault.message,
    /deleted 5 objects within 3600 s and may delete 5\. This object was not deleted/,
  );
  assert.equal(world.told.filter(({ name }) => name === 'brakeTripped').length, 1);

  world.source.put(at('from', 'new'), Buffer.from('new'), {});
  await accept(world, ['new'], 'created');
  assert.equal(world.target.bytesOf(at('to', 'new'))?.length, 3);

  await world.queue.redriveClass({ filter: { ruleName: MIRROR.name }, limit: 100, cursor: null });
  await atRest(world);
  assert.deepEqual(await service.brake(), { isTripped: true, held: 15 });
  assert.equal(left(world, keys).length, 15);
});

test('a release lets exactly the held ones pass, but for those that the source has again', async () => {
  const { world, service, keys } = await afterMassDelete(20);
  const [back] = left(world, keys);
  assert.ok(back !== undefined);
  world.source.put(at('from', back), Buffer.from('back again'), {});
  assert.equal(await service.decide('release'), 15);
  await atRest(world);
  assert.deepEqual(left(world, keys), [back]);
  assert.equal(Buffer.from(world.target.bytesOf(at('to', back)) ?? '').toString(), 'back again');
  assert.deepEqual(await service.brake(), { isTripped: false, held: 0 });
  assert.equal(world.told.filter(({ name }) => name === 'brakeTripped').length, 1);

  // What the release left over is of no use to a delete that comes later.
  world.clock.advance(1);
  const more = keysFrom(10).map((key) => `more-${key}`);
  for (const key of more) world.source.put(at('from', key), Buffer.from(key), {});
  await accept(world, more, 'created');
  for (const key of more) world.source.remove(at('from', key));
  await accept(world, more, 'removed');
  assert.equal(left(world, more).length, 5);
});

test('a release lets them pass although the clock was set back meanwhile', async () => {
  const { world, service, keys } = await afterMassDelete(20);
  world.clock.advance(-600_000);
  assert.equal(await service.decide('release'), 15);
  await atRest(world);
  assert.deepEqual(left(world, keys), []);
});

test('a reject keeps the objects for good, and a later delete of an object that came back is mirrored', async () => {
  const { world, service, keys } = await afterMassDelete(20);
  const kept = left(world, keys);
  assert.equal(await service.decide('reject'), 15);
  await atRest(world);
  assert.deepEqual(left(world, keys), kept);
  assert.deepEqual(await service.brake(), { isTripped: false, held: 0 });
  const [first, second] = kept;
  assert.ok(first !== undefined && second !== undefined);
  assert.equal((await transferOf(world, first)).outcome, 'skipped');
  const look = await world.target.look(at('to', first), signal);
  assert.equal(look.kind === 'present' && look.object.metadata.custom['replicator-adopted'], 'kept');

  // A later look, a reconcile for example, takes none of them.
  world.clock.advance(60_000);
  await accept(world, kept, 'removed');
  assert.deepEqual(left(world, keys), kept);
  assert.deepEqual(await service.brake(), { isTripped: false, held: 0 });

  // The same bytes and other bytes: either way the object is at the source again, and its next delete counts.
  for (const [key, text] of [
    [first, first],
    [second, 'other bytes'],
  ] as const) {
    world.source.put(at('from', key), Buffer.from(text), {});
    await accept(world, [key], 'created');
    const again = await world.target.look(at('to', key), signal);
    assert.equal(
      again.kind === 'present' && again.object.metadata.custom['replicator-adopted'],
      undefined,
      key,
    );
    world.source.remove(at('from', key));
    world.clock.advance(1);
    await accept(world, [key], 'removed');
    assert.equal((await transferOf(world, key)).outcome, 'deleted');
    assert.equal(world.target.bytesOf(at('to', key)), null);
  }
});

test('a rejected delete stays rejected while the target fails, through a restart, and with a clock set back', async () => {
  const { world, service, keys } = await afterMassDelete(20);
  const kept = left(world, keys);
  await service.worker.stop(0);
  let failures = 0;
  const again = new Service(world, {
    updateMetadata: async (request, aborted) => {
      failures += 1;
      if (failures <= 20) throw new Error('the connection is gone');
      return world.target.updateMetadata(request, aborted);
    },
  });
  world.clock.advance(-600_000);
  assert.equal(await again.decide('reject'), 15);
  for (let turn = 0; turn < 200; turn += 1) await new Promise<void>((resolve) => setImmediate(resolve));
  await again.worker.stop(0);
  const last = new Service(world);
  await atRest(world);
  assert.deepEqual(left(world, keys), kept);
  await world.queue.redriveClass({ filter: { ruleName: MIRROR.name }, limit: 100, cursor: null });
  await atRest(world);
  assert.deepEqual(left(world, keys), kept);
  assert.deepEqual(await last.brake(), { isTripped: false, held: 0 });
});

test('a decision that a crash cut short is carried out at the next start', async () => {
  const { world, service, keys } = await afterMassDelete(20);
  await service.worker.stop(0);
  // The decision was written down, and then the process died.
  await world.deleteBrake.release(MIRROR.name, 15, world.clock.nowMs());
  const next = new Service(world);
  assert.deepEqual(await next.brake(), { isTripped: false, held: 15 });
  const sweeping = next.held.startSweeping();
  for (let turn = 0; (await next.brake()).held > 0 && turn < 10_000; turn += 1) {
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
  await atRest(world);
  await sweeping.stop();
  assert.deepEqual(left(world, keys), []);
});

test('deciding twice, or where nothing is held, changes nothing', async () => {
  const { world, service, keys } = await afterMassDelete(20);
  const both = await Promise.all([service.decide('release'), service.decide('reject')]);
  assert.deepEqual(both, [15, 0]);
  await atRest(world);
  assert.deepEqual(left(world, keys), []);
  assert.equal(await service.decide('reject'), 0);
  world.source.put(at('from', 'later'), Buffer.from('later'), {});
  await accept(world, ['later'], 'created');
  world.source.remove(at('from', 'later'));
  await accept(world, ['later'], 'removed');
  assert.deepEqual(left(world, ['later']), [], 'a decision about nothing keeps nothing');
});
