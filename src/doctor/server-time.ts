// Can a store be reached, and is its time ours? Any answer will do, a refusal too: it carries the store's Date.
import { type CheckResult, check, failed, ok, warning } from './check-result.ts';
import type { Clock } from '../core/clock.ts';
import { Fault } from '../core/faults.ts';

const TIMEOUT_MS = 10_000;
/** Signed requests are refused beyond this. */
const REFUSED_BEYOND_MS = 15 * 60_000;
const TOLERATED_MS = 60_000;
/** A Date is cut to whole seconds: on average half of one is missing. */
const HALF_SECOND_MS = 500;

interface StoreAddress {
  readonly side: 'source' | 'target';
  readonly name: string;
  readonly origin: string;
}

/** One request without credentials. */
export async function checkServerTime(
  { side, name, origin }: StoreAddress,
  clock: Clock,
  signal: AbortSignal,
): Promise<CheckResult> {
  const subject = { name: `${side}: reachable, clock`, call: `HEAD ${origin}/` };
  return check(subject, async () => {
    const askedAtMs = clock.nowMs();
    const dateMs = await askDate({ side, name, origin }, signal);
    const middleMs = (askedAtMs + clock.nowMs()) / 2;
    if (dateMs === null) return ok(`${name} answers, and tells no time`);
    const skewMs = Math.round(middleMs - (dateMs + HALF_SECOND_MS));
    const seconds = Math.round(Math.abs(skewMs) / 1000);
    const direction = skewMs > 0 ? 'ahead of' : 'behind';
    const detail = `${name} answers; this machine's clock is ${seconds} s ${direction} its time`;
    const fix = 'Set the clock of this machine (NTP).';
    if (Math.abs(skewMs) > REFUSED_BEYOND_MS)
      return failed(`${detail}: signed requests are refused beyond 15 minutes`, fix, 'clock_skewed');
    return Math.abs(skewMs) > TOLERATED_MS ? warning(detail, fix) : ok(`${name} answers; the clocks agree`);
  });
}

async function askDate({ side, name, origin }: StoreAddress, signal: AbortSignal): Promise<number | null> {
  try {
    const answer = await fetch(`${origin}/`, {
      method: 'HEAD',
      redirect: 'manual',
      signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]),
    });
    const dateMs = Date.parse(answer.headers.get('date') ?? '');
    return Number.isNaN(dateMs) ? null : dateMs;
  } catch (error) {
    signal.throwIfAborted();
    const code = side === 'source' ? 'source_unreachable' : 'target_unreachable';
    const address = name === origin ? origin : `${name} (${origin})`;
    throw new Fault(code, `${address} cannot be reached: ${reasonOf(error)}`, {
      cause: error,
      details: { store: side, origin },
    });
  }
}

/** fetch says only that it failed; its cause says why. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.name === 'TimeoutError') return `no answer within ${TIMEOUT_MS / 1000} s`;
  if (error.cause instanceof Error) return reasonOf(error.cause);
  return 'code' in error && typeof error.code === 'string' ? error.code : error.message;
}
