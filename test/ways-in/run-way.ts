// One way tried out: objects are written, the way carries their notifications, and both sides are held against each
// other when it has nothing left to do.
import type { Comparison } from '../soak/compare-sides.ts';
import { CHANGES_QUEUE } from '../../sandbox/two-clouds.ts';
import type { Way } from './ways.ts';
import { WaysWorld } from './world.ts';

export interface WayReport extends Comparison {
  readonly seconds: number;
  readonly deadLetters: number;
  /** Messages of the queue that came twice, and that others overtook; 0 where the sender had the troubles. */
  readonly duplicated: number;
  readonly reordered: number;
}

/** Throws where the way cannot be set up. */
export async function runWay(way: Way, objects: number, seed: number): Promise<WayReport> {
  await using world = await WaysWorld.start(seed, way.isThroughQueue);
  const isAtRest = await way.open(world);
  const startedMs = performance.now();
  await world.write(objects);
  const comparison = await world.equal(isAtRest);
  const { duplicated, reordered } = world.clouds.sqs.inspect(CHANGES_QUEUE).trouble;
  const seconds = (performance.now() - startedMs) / 1000;
  return { ...comparison, seconds, deadLetters: world.deadLetters(), duplicated, reordered };
}
