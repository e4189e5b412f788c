// Decides which messages are due, from what is wrong now and what was sent before: one when a trouble has lasted a
// little, one a day while it lasts, one when it has been over for a little.
//
//   settling  noticed; forgotten without a word where it goes away within SETTLE_MS
//   active    to be told, told again each day; `goneAtMs` is set while it is not found, for RESOLVE_AFTER_MS at most
//   ended     over; kept until that is told
//
// A trouble that returns in any state is active again, without a new first message. Times are by the wall clock,
// because they must outlive the process; one that lies ahead of the clock counts as now.
import type { Alert, AlertKind } from '../core/alert.ts';
import type { Condition } from './alert-conditions.ts';

const SETTLE_MS = 30_000;
/** Longer than one parked transfer that is tried as an example needs to fail again. */
const RESOLVE_AFTER_MS = 120_000;
const REPEAT_MS = 24 * 60 * 60 * 1000;

export interface Remembered {
  readonly alert: Alert;
  readonly state: 'settling' | 'active' | 'ended';
  readonly noticedAtMs: number;
  /** Null while it is found. */
  readonly goneAtMs: number | null;
  /** The last first or daily message that arrived; null where none did. */
  readonly sentAtMs: number | null;
  /** How many of them arrived. */
  readonly sentCount: number;
}

export type AlertMemory = ReadonlyMap<string, Remembered>;

export interface AlertStep {
  readonly memory: AlertMemory;
  readonly began: readonly Alert[];
  readonly ended: readonly Alert[];
}

/**
 * What is remembered after a look. `unknown`: kinds that nobody could look for; what is remembered of them stays.
 */
export function afterLook(
  memory: AlertMemory,
  found: readonly Condition[],
  unknown: ReadonlySet<AlertKind>,
  nowMs: number,
): AlertStep {
  const next = new Map<string, Remembered>();
  const began: Alert[] = [];
  const ended: Alert[] = [];
  for (const condition of found) {
    const known = memory.get(condition.key) ?? null;
    const seen = known === null ? noticed(condition, nowMs) : seenAgain(known, condition, nowMs);
    next.set(condition.key, seen);
    if (seen.state === 'active' && known?.state !== 'active') began.push(seen.alert);
  }
  for (const [key, known] of memory) {
    if (next.has(key)) continue;
    const kept = unknown.has(known.alert.kind) ? known : missed(known, nowMs);
    if (kept !== null) next.set(key, kept);
    if (kept?.state === 'ended' && known.state !== 'ended') ended.push(kept.alert);
  }
  return { memory: next, began, ended };
}

function noticed(condition: Condition, nowMs: number): Remembered {
  const alert = { ...condition, sinceMs: condition.sinceMs ?? nowMs };
  return { alert, state: 'settling', noticedAtMs: nowMs, goneAtMs: null, sentAtMs: null, sentCount: 0 };
}

function seenAgain(known: Remembered, condition: Condition, nowMs: number): Remembered {
  const noticedAtMs = Math.min(known.noticedAtMs, nowMs);
  // The first of a class may be cured while the class lasts: it began when it began.
  const sinceMs = Math.min(known.alert.sinceMs, condition.sinceMs ?? known.alert.sinceMs);
  const isSettled = known.state !== 'settling' || nowMs - noticedAtMs >= SETTLE_MS;
  return {
    ...known,
    alert: { ...condition, sinceMs },
    state: isSettled ? 'active' : 'settling',
    noticedAtMs,
    goneAtMs: null,
    // Else a day would be counted from when a clock that was set back gets there again.
    sentAtMs: known.sentAtMs === null ? null : Math.min(known.sentAtMs, nowMs),
  };
}

/** Null where there is nothing to tell. */
function missed(known: Remembered, nowMs: number): Remembered | null {
  if (known.state === 'settling') return null;
  const goneAtMs = Math.min(known.goneAtMs ?? nowMs, nowMs);
  const isOver = known.state === 'ended' || nowMs - goneAtMs >= RESOLVE_AFTER_MS;
  return { ...known, goneAtMs, state: isOver ? 'ended' : 'active' };
}

/** Remembered troubles of which a message is due, the longest waiting first. */
export function dueMessages(memory: AlertMemory, nowMs: number): readonly Remembered[] {
  return [...memory.values()].filter(({ state, goneAtMs, sentAtMs }) => {
    if (state === 'ended') return true;
    // While it is not found it may be over: then the next message is that it is.
    if (state === 'settling' || goneAtMs !== null) return false;
    return sentAtMs === null || nowMs - sentAtMs >= REPEAT_MS;
  });
}

/** What is remembered once the message of this trouble has arrived. */
export function afterDelivery(memory: AlertMemory, told: Remembered, nowMs: number): AlertMemory {
  const { key } = told.alert;
  const next = new Map(memory);
  const known = next.get(key);
  if (known === undefined) return next;
  if (told.state === 'ended') next.delete(key);
  else next.set(key, { ...known, sentAtMs: nowMs, sentCount: known.sentCount + 1 });
  return next;
}

/** What is remembered where messages go nowhere: nothing waits to be told. */
export function withoutEnded(memory: AlertMemory): AlertMemory {
  return new Map([...memory].filter(([, { state }]) => state !== 'ended'));
}
