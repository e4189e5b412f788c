// The bytes of one GET, counted: exactly as many as were announced, or the fault `source_read_broken` that says how
// far it came. A body that creeps is broken too: a connection that delivers next to nothing must not hold a worker.
import type { Clock } from '../../core/clock.ts';
import { Fault } from '../../core/faults.ts';
import { errorCode } from './faults.ts';
import type { AnswerBody } from '../../exchange/connections.ts';
import { dropBody } from './signed-requests.ts';

export interface BodyLimits {
  readonly clock: Clock;
  /** A measuring window of time spent waiting for the store, in milliseconds. */
  readonly bodyIdleTimeoutMs: number;
  /** Fewer bytes than this in a second of waiting, over a whole window, and the read is given up. */
  readonly minBytesPerSec: number;
}

export interface ExpectedBody {
  readonly what: string;
  readonly expectedBytes: number;
}

/** The fault of a read that did not deliver what was announced. */
export function brokenRead(expected: ExpectedBody, bytesRead: number, why: string, cause?: unknown): Fault {
  const { what, expectedBytes } = expected;
  return new Fault(
    'source_read_broken',
    `Reading ${what} broke off after ${bytesRead} of ${expectedBytes} bytes: ${why}`,
    { cause, details: { store: 'source', bytesRead, expectedBytes } },
  );
}

type Taken = IteratorResult<Uint8Array, undefined>;

/** The chunks of `body`, once. Ending the loop early, or before its first chunk, frees the connection. */
export function countedBody(
  body: AnswerBody,
  expected: ExpectedBody,
  limits: BodyLimits,
  signal: AbortSignal,
): AsyncIterable<Uint8Array> {
  return { [Symbol.asyncIterator]: () => new CountedChunks(body, expected, limits, signal) };
}

/** No generator: most objects are one chunk, and a generator costs more than that chunk. */
class CountedChunks implements AsyncIterator<Uint8Array, undefined> {
  readonly #body: AnswerBody;
  readonly #expected: ExpectedBody;
  readonly #limits: BodyLimits;
  readonly #signal: AbortSignal;
  #bytesRead = 0;
  #windowBytes = 0;
  #windowWaitMs = 0;
  #isStarted = false;
  #isOver = false;

  constructor(body: AnswerBody, expected: ExpectedBody, limits: BodyLimits, signal: AbortSignal) {
    this.#body = body;
    this.#expected = expected;
    this.#limits = limits;
    this.#signal = signal;
  }

  async next(): Promise<Taken> {
    if (this.#isOver) return { done: true, value: undefined };
    this.#isStarted = true;
    const { clock } = this.#limits;
    const askedAtMs = clock.monotonicMs();
    try {
      const taken = await this.#body.next();
      this.#signal.throwIfAborted();
      if (taken.done === true) this.#end();
      // Only the time spent waiting counts: a slow consumer is not the store's fault.
      else this.#count(taken.value, clock.monotonicMs() - askedAtMs);
      return taken;
    } catch (error) {
      this.#isOver = true;
      void this.#body.return();
      this.#signal.throwIfAborted();
      if (error instanceof Fault) throw error;
      throw brokenRead(this.#expected, this.#bytesRead, errorCode(error) ?? String(error), error);
    }
  }

  async return(): Promise<Taken> {
    this.#isOver = true;
    if (this.#isStarted) void this.#body.return();
    else dropBody(this.#body);
    return { done: true, value: undefined };
  }

  #end(): void {
    this.#isOver = true;
    if (this.#bytesRead < this.#expected.expectedBytes)
      throw brokenRead(this.#expected, this.#bytesRead, 'the store sent no more');
  }

  #count(chunk: Uint8Array, waitedMs: number): void {
    const { bodyIdleTimeoutMs, minBytesPerSec } = this.#limits;
    const { expectedBytes } = this.#expected;
    this.#bytesRead += chunk.length;
    if (this.#bytesRead > expectedBytes)
      throw brokenRead(this.#expected, this.#bytesRead, 'more came than announced');
    this.#windowBytes += chunk.length;
    this.#windowWaitMs += waitedMs;
    if (this.#windowWaitMs < bodyIdleTimeoutMs) return;
    const isSlow = this.#windowBytes < (minBytesPerSec * bodyIdleTimeoutMs) / 1000;
    if (isSlow && this.#bytesRead < expectedBytes)
      throw brokenRead(this.#expected, this.#bytesRead, `slower than ${minBytesPerSec} bytes a second`);
    this.#windowBytes = 0;
    this.#windowWaitMs = 0;
  }
}
