// Every decision of a simulated run, in one list of small numbers: drawn from a seed, or read back from a list that
// was shortened. Zero is always the quiet choice (no fault, the oldest event, the smallest world), so that a list
// with more zeros is a simpler history.
import { crc32 } from 'node:zlib';

/** The lists of all parts, by their names. */
export type Traces = ReadonlyMap<string, readonly number[]>;

type Source = (part: string) => { readonly isDrawn: boolean; readonly next: Next };
type Next = (count: number, place: number) => number;

/** The choices of a run, in parts of their own: fewer faults in one part leave the order in another as it was. */
export class Choices {
  /** What was chosen so far. */
  readonly trace: number[] = [];
  readonly #source: Source;
  readonly #parts: Map<string, Choices>;
  readonly #next: Next;
  readonly #isDrawn: boolean;

  private constructor(source: Source, parts: Map<string, Choices>, name: string) {
    const { isDrawn, next } = source(name);
    this.#source = source;
    this.#parts = parts;
    this.#next = next;
    this.#isDrawn = isDrawn;
    parts.set(name, this);
  }

  /** Draws from a seed: the same seed gives the same choices. */
  static ofSeed(seed: number): Choices {
    const source: Source = (part) => {
      const random = randomOfSeed(Math.imul(seed, 0x9e3779b1) ^ crc32(part));
      return { isDrawn: true, next: (count) => Math.floor(random() * count) };
    };
    return new Choices(source, new Map(), '');
  }

  /** Reads lists back; where one ends, everything is quiet. */
  static ofTraces(traces: Traces): Choices {
    const source: Source = (part) => {
      const trace = traces.get(part) ?? [];
      return { isDrawn: false, next: (count, place) => Math.min(trace[place] ?? 0, count - 1) };
    };
    return new Choices(source, new Map(), '');
  }

  /** The choices of one part of the run; the same object each time. */
  part(name: string): Choices {
    return this.#parts.get(name) ?? new Choices(this.#source, this.#parts, name);
  }

  /** What was chosen in every part, without the quiet end. */
  traces(): Traces {
    return new Map(
      [...this.#parts].map(([name, { trace }]) => [
        name,
        trace.slice(0, trace.findLastIndex((choice) => choice !== 0) + 1),
      ]),
    );
  }

  /** A whole number from 0 to `count - 1`. */
  pick(count: number): number {
    return this.#note(this.#next(count, this.trace.length));
  }

  /** The place of one of the weights, each as likely as it is heavy. The first one is the quiet choice. */
  weighted(weights: readonly number[]): number {
    if (!this.#isDrawn) return this.#weightedAsRead(weights);
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

  /** What cannot be drawn is not taken from a shortened list either. */
  #weightedAsRead(weights: readonly number[]): number {
    const place = this.#next(weights.length, this.trace.length);
    const isPossible = (weights[place] ?? 0) > 0;
    return this.#note(isPossible ? place : weights.findIndex((weight) => weight > 0));
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
