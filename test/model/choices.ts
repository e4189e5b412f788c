// Every decision of a simulated run, in one list of small numbers: drawn from a seed, or read back from a list that
// was shortened. Zero is always the quiet choice (no fault, the oldest event, the smallest world), so that a list
// with more zeros is a simpler history.

export class Choices {
  /** What was chosen so far. */
  readonly trace: number[] = [];
  readonly #next: (count: number, place: number) => number;
  readonly #isDrawn: boolean;

  private constructor(isDrawn: boolean, next: (count: number, place: number) => number) {
    this.#isDrawn = isDrawn;
    this.#next = next;
  }

  /** Draws from a seed: the same seed gives the same choices. */
  static ofSeed(seed: number): Choices {
    const random = randomOfSeed(seed);
    return new Choices(true, (count) => Math.floor(random() * count));
  }

  /** Reads a list back; where it ends, everything is quiet. */
  static ofTrace(trace: readonly number[]): Choices {
    return new Choices(false, (count, place) => Math.min(trace[place] ?? 0, count - 1));
  }

  /** A whole number from 0 to `count - 1`. */
  pick(count: number): number {
    return this.#note(this.#next(count, this.trace.length));
  }

  /** The place of one of the weights, each as likely as it is heavy. The first one is the quiet choice. */
  weighted(weights: readonly number[]): number {
    if (!this.#isDrawn) return this.pick(weights.length);
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    let left = this.#next(total, this.trace.length);
    let place = 0;
    for (const weight of weights) {
      if (left < weight) break;
      left -= weight;
      place += 1;
    }
    return this.#note(place);
  }

  /** True in so many of a thousand cases; false is the quiet choice. */
  chance(permille: number): boolean {
    return permille > 0 && this.weighted([1000 - permille, permille]) === 1;
  }

  /** One of the values; the first one is the quiet choice. */
  oneOf<Value>(values: readonly [Value, ...Value[]]): Value {
    return values[this.pick(values.length)] ?? values[0];
  }

  #note(choice: number): number {
    this.trace.push(choice);
    return choice;
  }
}

/** Uniform in [0, 1), by the splitmix32 method. */
function randomOfSeed(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x9e3779b9) | 0;
    let mixed = state ^ (state >>> 16);
    mixed = Math.imul(mixed, 0x21f0aaad);
    mixed ^= mixed >>> 15;
    mixed = Math.imul(mixed, 0x735a2d97);
    return ((mixed ^ (mixed >>> 15)) >>> 0) / 2 ** 32;
  };
}
