// The brake on mirrored deletes, as pure steps: what one rule has deleted lately, whether the next delete may pass,
// and what a person decided about those that were held. Keeping it is src/replication/delete-brake.ts.

/** Past one of the limits every further delete of the rule is held for a person. */
export interface BrakeLimits {
  /** Deletes within the window; 0 holds every delete. */
  readonly count: number;
  /** Percent of the rule's objects that may be deleted within the window; 100 is no limit of its own. */
  readonly sharePercent: number;
  readonly windowMs: number;
}

/** Up to this many deletes the share is not looked at, so that a bucket of a few objects can live. */
export const SHARE_FLOOR = 10;

/** The window moves on in this many steps. */
const WINDOW_STEPS = 60;

/** What the brake saw when it tripped. */
export interface BrakeTrip {
  /** By the wall clock, for people. */
  readonly atMs: number;
  readonly deletes: number;
  readonly limit: number;
  readonly windowMs: number;
  readonly objects: number;
}

export interface BrakeState {
  /** The brake's own time at the last change; it never goes back. */
  readonly timeMs: number;
  /** Deletes that count, oldest first: since when by the brake's time, and how many. */
  readonly deletes: readonly { readonly fromMs: number; readonly count: number }[];
  /** About how many objects the rule has at the target; too low rather than too high. */
  readonly objects: number;
  /** Not null: deletes are held. */
  readonly trip: BrakeTrip | null;
  /** Released deletes that have not passed yet: so many of those whose change is not younger than `changesUpToMs`. */
  readonly released: { readonly count: number; readonly changesUpToMs: number } | null;
  /** A delete whose change is not younger was rejected: its object stays. Null: nothing was ever rejected. */
  readonly keepChangesUpToMs: number | null;
}

/** A rule that has deleted nothing yet. */
export const NEW_BRAKE: BrakeState = {
  timeMs: 0,
  deletes: [],
  objects: 0,
  trip: null,
  released: null,
  keepChangesUpToMs: null,
};

/** `keep`: a person rejected this delete. `isFirst`: this is the delete that tripped the brake. */
export type BrakeAnswer =
  | { readonly kind: 'go' }
  | { readonly kind: 'keep' }
  | { readonly kind: 'held'; readonly trip: BrakeTrip; readonly isFirst: boolean };

export interface BrakeQuestion {
  readonly limits: BrakeLimits;
  /** Time of the oldest change that the delete would cover. */
  readonly changeAtMs: number;
  /** This very state of the object was counted before; no object can be deleted twice. */
  readonly isCounted: boolean;
  /** The brake's time and the wall's. */
  readonly timeMs: number;
  readonly wallMs: number;
}

/** May one object be deleted? A `go` is counted in the returned state, which has to be kept before the delete is sent. */
export function askBrake(
  state: BrakeState,
  question: BrakeQuestion,
): { readonly state: BrakeState; readonly answer: BrakeAnswer } {
  const { limits, changeAtMs, isCounted, wallMs } = question;
  if (state.keepChangesUpToMs !== null && changeAtMs <= state.keepChangesUpToMs) {
    return { state, answer: { kind: 'keep' } };
  }
  if (isCounted) return { state, answer: { kind: 'go' } };
  const { released } = state;
  if (released !== null && released.count > 0 && changeAtMs <= released.changesUpToMs) {
    const left = { ...released, count: released.count - 1 };
    return { state: { ...state, released: left, objects: lessOne(state.objects) }, answer: { kind: 'go' } };
  }
  if (state.trip !== null) return { state, answer: { kind: 'held', trip: state.trip, isFirst: false } };
  const timeMs = Math.max(state.timeMs, question.timeMs);
  const kept = stillCounting(state, limits, timeMs);
  const deletes = sum(kept);
  const limit = limitOf({ ...state, deletes: kept }, limits);
  if (deletes >= limit) {
    const { windowMs } = limits;
    const trip = { atMs: wallMs, deletes, limit, windowMs, objects: state.objects };
    return {
      state: { ...state, timeMs, deletes: kept, trip },
      answer: { kind: 'held', trip, isFirst: true },
    };
  }
  return {
    state: { ...state, timeMs, deletes: withOne(kept, limits, timeMs), objects: lessOne(state.objects) },
    answer: { kind: 'go' },
  };
}

/** Deletes within the window that ends at `timeMs`. */
export function deletesWithin(state: BrakeState, limits: BrakeLimits, timeMs: number): number {
  return sum(stillCounting(state, limits, Math.max(state.timeMs, timeMs)));
}

/** How many deletes may fall into one window. The share is taken of what was there before those deletes. */
export function limitOf(state: Pick<BrakeState, 'objects' | 'deletes'>, limits: BrakeLimits): number {
  const { count, sharePercent } = limits;
  if (sharePercent >= 100) return count;
  const before = state.objects + sum(state.deletes);
  return Math.min(count, Math.max(SHARE_FLOOR, Math.floor((before * sharePercent) / 100)));
}

/**
 * A person lets `held` deletes pass, those of changes up to `changesUpToMs`; counting begins anew. Whatever an earlier
 * release left over is gone.
 */
export function releaseBrake(
  state: BrakeState,
  release: { readonly held: number; readonly changesUpToMs: number },
): BrakeState {
  const released = { count: release.held, changesUpToMs: release.changesUpToMs };
  return { ...state, deletes: [], trip: null, released };
}

/** A person decides that the objects of all changes up to `changesUpToMs` stay; counting begins anew. */
export function rejectBrake(state: BrakeState, changesUpToMs: number): BrakeState {
  const keepChangesUpToMs = Math.max(state.keepChangesUpToMs ?? changesUpToMs, changesUpToMs);
  return { ...state, deletes: [], trip: null, released: null, keepChangesUpToMs };
}

function stillCounting(state: BrakeState, limits: BrakeLimits, timeMs: number): BrakeState['deletes'] {
  return state.deletes.filter(({ fromMs }) => fromMs + stepMs(limits) + limits.windowMs > timeMs);
}

function withOne(deletes: BrakeState['deletes'], limits: BrakeLimits, timeMs: number): BrakeState['deletes'] {
  const last = deletes.at(-1);
  if (last !== undefined && timeMs < last.fromMs + stepMs(limits)) {
    return [...deletes.slice(0, -1), { ...last, count: last.count + 1 }];
  }
  return [...deletes, { fromMs: timeMs, count: 1 }];
}

function stepMs({ windowMs }: BrakeLimits): number {
  return windowMs / WINDOW_STEPS;
}

function sum(deletes: BrakeState['deletes']): number {
  return deletes.reduce((total, { count }) => total + count, 0);
}

function lessOne(objects: number): number {
  return Math.max(0, objects - 1);
}

/** The state as it was written down by `JSON.stringify`; throws an Error where it is anything else. */
export function readBrakeState(text: string): BrakeState {
  const value: unknown = JSON.parse(text);
  if (!isBrakeState(value)) throw new Error('The note of a delete brake cannot be understood');
  return value;
}

function isBrakeState(value: unknown): value is BrakeState {
  return (
    hasNumbers(value, ['timeMs', 'objects']) &&
    Array.isArray(value['deletes']) &&
    value['deletes'].every((entry) => hasNumbers(entry, ['fromMs', 'count'])) &&
    isNullOr(value['trip'], ['atMs', 'deletes', 'limit', 'windowMs', 'objects']) &&
    isNullOr(value['released'], ['count', 'changesUpToMs']) &&
    (value['keepChangesUpToMs'] === null || typeof value['keepChangesUpToMs'] === 'number')
  );
}

function isNullOr(value: unknown, names: readonly string[]): boolean {
  return value === null || hasNumbers(value, names);
}

function hasNumbers(value: unknown, names: readonly string[]): value is Record<string, unknown> {
  return (
    typeof value === 'object' &&
    value !== null &&
    names.every((name) => Number.isFinite((value as Record<string, unknown>)[name]))
  );
}
