// All planted mistakes, and within how many seeds each is found: about twelve times what it took on average over some
// thousand seeds, so that a search that fails says something about the simulation and not about chance.
//
// Of the protocol's safeguards only one has no mistake here: 3, because this service never looks at both sides at the
// same time, so there is no second look to leave out. 18 to 23 are safeguards of workers without a database, 24, 25 and
// 28 of a queue of transfers; 26 and 27 are both's, and planted in both.
import { MESSAGE_MISTAKES } from './planted-messages.ts';
import type { Planted } from './planted.ts';
import { QUEUE_MISTAKES } from './planted-queue.ts';
import { STORE_MISTAKES } from './planted-stores.ts';

export const PLANTED_MISTAKES: readonly Planted[] = [
  ...STORE_MISTAKES,
  ...QUEUE_MISTAKES,
  ...MESSAGE_MISTAKES,
];

const WITHIN_SEEDS: Readonly<Record<string, number>> = {
  'source-first': 3_000,
  'absence-first': 40_000,
  'pinned-confirmation': 8_000,
  'write-no-generation': 500,
  'write-no-metageneration': 60_000,
  'metadata-no-generation': 5_000,
  'metadata-no-metageneration': 5_000,
  'delete-no-generation': 4_000,
  'delete-no-metageneration': 6_000,
  'delete-anything': 500,
  'no-if-match': 15_000,
  'two-answers': 2_500,
  'metadata-not-compared': 2_000,
  'stamp-believed': 2_000,
  'insert-again': 500,
  'conflict-is-success': 4_000,
  'forbidden-is-absent': 1_500,
  'delete-by-generation': 6_000,
  'dirty-cleared-at-finish': 100,
  'lease-not-checked': 5_000,
  'no-settling-after-takeover': 20_000,
  'owed-forgotten': 5_000,
  'session-of-any-version': 20_000,
  'answer-before-commit': 100,
  'dirty-ignored': 100,
  'parking-drops-a-change': 500,
  'brake-ignored': 1_000,
  'brake-forgets': 10_000,
  'retry-without-bound': 500,
  'no-look-where-mirrored': 600,
  'no-look-where-versioned': 14_000,
  'no-look-after-delete': 14_000,
  'difference-left': 1_000,
  'acknowledged-at-commit': 500,
  'joined-after-first-look': 8_000,
  'taken-over-forgotten': 35_000,
  'unanswered-forgotten': 3_000,
};

/** So many seeds, and the mistake has been found. */
export function withinSeeds({ name }: Planted): number {
  const seeds = WITHIN_SEEDS[name];
  if (seeds === undefined) throw new Error(`Within how many seeds ${name} is found is not stated`);
  return seeds;
}
