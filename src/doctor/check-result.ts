// What a look of the doctor ends with, and the one way from a fault to a failed check.
import { Fault } from '../core/faults.ts';
import { fixOfFault } from './fix-of-fault.ts';

/**
 * failed: something that is needed does not work. warning: it works, and is probably not what was meant. skipped: it
 * was not tried, the detail says why.
 */
export type CheckState = 'ok' | 'warning' | 'failed' | 'skipped';

export interface Verdict {
  readonly state: CheckState;
  readonly detail: string;
  /** What to do; null where nothing has to be done. */
  readonly fix: string | null;
  /** The code of the fault behind a failure, or of what the service answered; null where it has none. */
  readonly code: string | null;
}

/** What is looked at, and which permission or call it takes; null where it takes none. */
export interface CheckSubject {
  readonly name: string;
  readonly call: string | null;
}

export interface CheckResult extends CheckSubject, Verdict {}

export function ok(detail: string): Verdict {
  return { state: 'ok', detail, fix: null, code: null };
}

export function warning(detail: string, fix: string): Verdict {
  return { state: 'warning', detail, fix, code: null };
}

export function failed(detail: string, fix: string, code: string | null = null): Verdict {
  return { state: 'failed', detail, fix, code };
}

export function skipped(reason: string): Verdict {
  return { state: 'skipped', detail: reason, fix: null, code: null };
}

export function failedBy(fault: Fault): Verdict {
  return failed(fault.message, fixOfFault(fault), fault.code);
}

/** Runs one look; a fault is a failed check unless `onFault` makes something else of it. Bugs and aborts are thrown. */
export async function check(
  subject: CheckSubject,
  run: () => Promise<Verdict>,
  onFault: (fault: Fault) => Verdict | null = () => null,
): Promise<CheckResult> {
  try {
    return { ...subject, ...(await run()) };
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    return { ...subject, ...(onFault(error) ?? failedBy(error)) };
  }
}
