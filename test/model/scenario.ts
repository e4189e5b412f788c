// What a run is about: how large the world is and how much goes wrong in it. Everything is drawn from the choices,
// the smallest first.
import type { Choices } from './choices.ts';

export interface Scenario {
  readonly keys: readonly string[];
  /** Processes of each service, one worker in each. */
  readonly processCount: number;
  /** Services with a queue of their own that replicate the same bucket without knowing of each other. */
  readonly serviceCount: number;
  readonly maxConcurrency: number;
  /** The queue is SQLite's: one process owns it, and the next one recovers what it left. */
  readonly isQueueInFile: boolean;
  /** The target takes effects on one name so far apart. */
  readonly sameNameIntervalMs: number;
  readonly isVersioned: boolean;
  readonly deletes: 'ignore' | 'mirror';
  /** Deletes that may fall into one window before a person is asked; null: more than there ever are. */
  readonly brakeLimit: number | null;
  readonly verify: 'transfer' | 'source';
  /** Where size is enough, equal sizes are equal bytes: nobody could tell otherwise. */
  readonly adopt: 'checksum' | 'size' | 'never';
  /** Processes may start with other rules than those before them. */
  readonly changesRules: boolean;
  readonly mutationCount: number;
  /** How likely each kind of mutation is: new bytes, a deletion, the same again, other metadata, a version removed. */
  readonly mutationWeights: readonly number[];
  /** Crashes, pauses, foreign writers and the like. */
  readonly troubleCount: number;
  /** All objects need an upload, and most troubles strike uploads. */
  readonly isAboutUploads: boolean;
  readonly faultPermille: number;
  /** Bodies and uploads that break or stand still on their way, of a thousand. */
  readonly streamFaultPermille: number;
  readonly hasLatency: boolean;
  /** Events that are lost, of a thousand. */
  readonly lossPermille: number;
  /** Objects that cannot be read, of a thousand. */
  readonly poisonPermille: number;
}

/** A file costs as much time as ten queues in memory, so there are few. */
const FILE_PERMILLE = 10;

/** Draws a scenario. */
export function drawScenario(choices: Choices): Scenario {
  const keyCount = 1 + choices.weighted([10, 2, 1]);
  return {
    keys: Array.from({ length: keyCount }, (_, place) => `k${place}`),
    processCount: 1 + choices.weighted([3, 5, 2]),
    serviceCount: 1 + choices.weighted([3, 2]),
    maxConcurrency: choices.oneOf([1, 2]),
    isQueueInFile: choices.chance(FILE_PERMILLE),
    sameNameIntervalMs: choices.oneOf([0, 0, 1_000]),
    isVersioned: choices.weighted([1, 1]) === 1,
    deletes: choices.weighted([1, 2]) === 0 ? 'ignore' : 'mirror',
    brakeLimit: choices.oneOf([null, null, null, 0, 1, 2]),
    verify: choices.weighted([1, 1]) === 0 ? 'source' : 'transfer',
    adopt: choices.oneOf(['checksum', 'checksum', 'size', 'never']),
    changesRules: choices.weighted([4, 1]) === 1,
    mutationCount: 1 + choices.pick(7),
    mutationWeights: choices.oneOf([
      [5, 4, 2, 3, 4],
      [2, 2, 3, 6, 1],
      [2, 5, 5, 2, 2],
    ]),
    troubleCount: choices.weighted([2, 3, 3, 2, 1]),
    isAboutUploads: choices.weighted([4, 1]) === 1,
    faultPermille: choices.oneOf([0, 30, 80, 160]),
    streamFaultPermille: choices.oneOf([0, 50, 400]),
    hasLatency: choices.weighted([1, 3]) === 1,
    lossPermille: choices.oneOf([0, 0, 200]),
    poisonPermille: choices.oneOf([0, 0, 0, 150]),
  };
}

/**
 * The same where workers converge straight from messages: one fleet of two workers at least, no file, no brake that
 * trips, one rule.
 */
export function withoutDatabase(scenario: Scenario): Scenario {
  return {
    ...scenario,
    processCount: scenario.processCount + 1,
    serviceCount: 1,
    isQueueInFile: false,
    brakeLimit: null,
    changesRules: false,
  };
}
