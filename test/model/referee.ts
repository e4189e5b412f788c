// Says at every moment of a run whether the invariants hold: judges each effect as it lands, and each key as soon as
// nothing is pending for it. Knows the reference and the two stores, and nothing of how the service works.
import type { ObjectLocation, TargetToken } from '../../src/core/object.ts';
import type { Rule } from '../../src/core/rule.ts';
import type { MemoryTarget } from '../../src/stores/memory/memory-target.ts';
import { snapshotOf } from './simulated-target.ts';
import { type TargetSnapshot, type Versions, Violation } from './versions.ts';

type KeyStatus = 'pending' | 'parked' | 'done';

/** The source object of a key. */
export function sourceOf(key: string): ObjectLocation {
  return { bucket: 'from', key };
}

/** The target object of a key. */
export function targetOf(key: string): ObjectLocation {
  return { bucket: 'to', key };
}

export class Referee {
  readonly versions: Versions;
  readonly #target: MemoryTarget;
  readonly #rule: Rule;
  readonly #note: (text: () => string) => void;
  /** By key: the moment of the source that the target must show, or a later one, as soon as nothing is pending. */
  readonly #requiredMoments = new Map<string, number>();
  /** Keys at whose target somebody else did something since the last accepted change. */
  readonly #meddled = new Set<string>();
  readonly #unchecked = new Set<string>();
  #violation: Violation | null = null;

  constructor(options: {
    readonly versions: Versions;
    readonly target: MemoryTarget;
    readonly rule: Rule;
    readonly note: (text: () => string) => void;
  }) {
    this.versions = options.versions;
    this.#target = options.target;
    this.#rule = options.rule;
    this.#note = options.note;
  }

  /** The first violation that was found; null while there is none. */
  get violation(): Violation | null {
    return this.#violation;
  }

  /** What later judgements of the key depend on, beside the source's history, as text. */
  describe(key: string, object: TargetSnapshot | null): string {
    const isUnchecked = this.#unchecked.has(key);
    return `${this.#requiredMoments.get(key) ?? 0} ${isUnchecked} ${this.versions.isOurs(object)}`;
  }

  /** Runs a check and keeps its violation. */
  judge(check: () => void): void {
    try {
      check();
    } catch (error) {
      if (!(error instanceof Violation)) throw error;
      this.#violation ??= error;
    }
  }

  /** Judges an effect that has landed. `examined` is the token a delete was conditioned on; null for all others. */
  landed(
    key: string,
    before: TargetSnapshot | null,
    after: TargetSnapshot | null,
    examined: TargetToken | null,
  ): void {
    if (before?.token === after?.token) return;
    const source = sourceOf(key);
    this.#note(() => `TARGET ${key}: now ${this.versions.label(source, after)}`);
    this.#unchecked.add(key);
    this.judge(() => {
      if (after !== null) this.versions.judgeWrite(source, before, after);
      else if (before !== null && examined !== null) this.versions.judgeDelete(source, before, examined);
    });
  }

  /** A change of each key is in the queue: from now on the target has to show what the source is now. */
  accepted(keys: readonly string[]): void {
    for (const key of keys) {
      this.#meddled.delete(key);
      this.require(key, this.versions.record(sourceOf(key)).now);
    }
  }

  /** A change that was sent at `moment` has been answered with success. */
  require(key: string, moment: number): void {
    this.#requiredMoments.set(key, Math.max(moment, this.#requiredMoments.get(key) ?? 0));
    this.#unchecked.add(key);
  }

  /** Somebody else did something at the target: what it shows is nobody's promise until the next change. */
  meddled(key: string): void {
    this.#meddled.add(key);
  }

  /** Where nothing is pending, the target shows every change that was accepted: I1 and I2 at any moment. */
  async checkCoverage(statusOf: (key: string) => KeyStatus): Promise<void> {
    for (const key of this.#unchecked) {
      const moment = this.#requiredMoments.get(key);
      if (moment === undefined || this.#meddled.has(key)) {
        this.#unchecked.delete(key);
        continue;
      }
      const status = statusOf(key);
      if (status === 'pending') continue;
      this.#unchecked.delete(key);
      if (status === 'parked') continue;
      const source = sourceOf(key);
      const object = await snapshotOf(this.#target, targetOf(key));
      if (this.versions.covers(source, object, moment, this.#rule.deletes)) continue;
      const what = this.versions.label(source, object);
      throw new Violation(
        'I2',
        `nothing is pending for ${key}, but the target is ${what}: older than an accepted change`,
      );
    }
  }

  /** I2 for one key at rest. */
  async requireEquality(key: string): Promise<void> {
    const object = await snapshotOf(this.#target, targetOf(key));
    const difference = this.versions.difference(sourceOf(key), object, this.#rule.deletes);
    if (difference !== null) throw new Violation('I2', `at rest, ${key}: ${difference}`);
  }
}
