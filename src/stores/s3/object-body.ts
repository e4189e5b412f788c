// The bytes of one GET, counted: exactly as many as were announced, or the fault `source_read_broken` that says how
// far it came. A body that creeps is broken too: a connection that delivers next to nothing must not hold a worker.
import type { Clock } from '../../core/clock.ts';
import { Fault } from '../../core/faults.ts';
import { errorCode } from './faults.ts';
import type { AnswerBody } from '../../exchange/answer-body.ts';
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

/** The chunks of `body`, once. Ending the loop early, or before its first chunk, frees the connection. */
export function countedBody(
  body: AnswerBody,
  expected: ExpectedBody,
  limits: BodyLimits,
  signal: AbortSignal,
): AsyncIterable<Uint8Array> {
  return {
    [Symbol.asyncIterator]() {
      const chunks = countChunks(body, expected, limits, signal);
      return {
        next: () => chunks.next(),
        return: () => {
          // A generator that was never started does not run its own cleanup.
          dropBody(body);
          return chunks.return();
        },
      };
    },
  };
}

async function* countChunks(
  body: AnswerBody,
  expected: ExpectedBody,
  limits: BodyLimits,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  const { clock } = limits;
  const windowMinBytes = (limits.minBytesPerSec * limits.bodyIdleTimeoutMs) / 1000;
  let bytesRead = 0;
  let windowBytes = 0;
  let windowWaitMs = 0;
  try {
    let askedAtMs = clock.monotonicMs();
    for await (const chunk of body) {
      signal.throwIfAborted();
      bytesRead += chunk.length;
      if (bytesRead > expected.expectedBytes)
        throw brokenRead(expected, bytesRead, 'more came than announced');
      windowBytes += chunk.length;
      // Only the time spent waiting counts: a slow consumer is not the store's fault.
      windowWaitMs += clock.monotonicMs() - askedAtMs;
      if (windowWaitMs >= limits.bodyIdleTimeoutMs) {
        if (windowBytes < windowMinBytes && bytesRead < expected.expectedBytes) {
          throw brokenRead(expected, bytesRead, `slower than ${limits.minBytesPerSec} bytes a second`);
        }
        windowBytes = 0;
        windowWaitMs = 0;
      }
      yield chunk;
      askedAtMs = clock.monotonicMs();
    }
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof Fault) throw error;
    throw brokenRead(expected, bytesRead, errorCode(error) ?? String(error), error);
  }
  signal.throwIfAborted();
  if (bytesRead < expected.expectedBytes) throw brokenRead(expected, bytesRead, 'the store sent no more');
}
