// Counts, hour by hour, how many changes reached the target, how many of them later than the objective, and how many
// records were not understood. Added to a durable note once a minute: a restart forgets a minute at most, and processes
// that share the note count together.
import type { Clock } from '../core/clock.ts';
import type { DurableNotes } from '../core/durable-notes.ts';
import type { Happenings } from '../core/happenings.ts';
import { fieldOf, jsonOf } from './note-json.ts';

const HOUR_MS = 3_600_000;
const KEPT_HOURS = 24;
const NOTE = 'alerts/hours';

interface Hour {
  readonly hour: number;
  finished: number;
  late: number;
  quarantined: number;
}

/** The last 24 hours, the running one included. The times are those of the first hour with such a change. */
export interface DayTally {
  readonly finished: number;
  readonly late: number;
  readonly firstLateMs: number | null;
  readonly quarantined: number;
  readonly firstQuarantinedMs: number | null;
}

export class LagTally {
  readonly #clock: Clock;
  readonly #objectiveMs: number;
  /** As the note had them when it was last read or written: what all processes counted. */
  #kept: readonly Hour[] = [];
  /** What this process counted since. */
  #own: Hour[] = [];

  constructor(options: { readonly clock: Clock; readonly objectiveMs: number }) {
    this.#clock = options.clock;
    this.#objectiveMs = options.objectiveMs;
  }

  /** `lagMs`: from the change to the verified target. */
  finished(lagMs: number): void {
    const hour = this.#now();
    hour.finished += 1;
    if (lagMs > this.#objectiveMs) hour.late += 1;
  }

  quarantined(): void {
    this.#now().quarantined += 1;
  }

  lastDay(): DayTally {
    const hours = this.#lastHours(added(this.#kept, this.#own));
    const sum = (of: (hour: Hour) => number) => hours.reduce((total, hour) => total + of(hour), 0);
    const first = (of: (hour: Hour) => number) => {
      const found = hours.find((hour) => of(hour) > 0);
      return found === undefined ? null : found.hour * HOUR_MS;
    };
    return {
      finished: sum(({ finished }) => finished),
      late: sum(({ late }) => late),
      firstLateMs: first(({ late }) => late),
      quarantined: sum(({ quarantined }) => quarantined),
      firstQuarantinedMs: first(({ quarantined }) => quarantined),
    };
  }

  /** Reads what is kept; what was counted meanwhile is added to it. */
  async load(notes: DurableNotes): Promise<void> {
    const note = await notes.read(NOTE);
    this.#kept = note === null ? [] : hoursOf(note.value);
  }

  /** Adds what this process counted to the note, and takes over what others have added to it. */
  async save(notes: DurableNotes): Promise<void> {
    const saving = this.#own;
    this.#own = [];
    try {
      this.#kept = await this.#addTo(notes, saving);
    } catch (error) {
      this.#own = added(saving, this.#own);
      throw error;
    }
  }

  async #addTo(notes: DurableNotes, own: readonly Hour[]): Promise<readonly Hour[]> {
    for (;;) {
      const note = await notes.read(NOTE);
      const kept = note === null ? [] : hoursOf(note.value);
      if (own.length === 0) return kept;
      const sum = this.#lastHours(added(kept, own));
      if (await notes.write(NOTE, JSON.stringify(sum), note?.version ?? null)) return sum;
    }
  }

  #lastHours(hours: readonly Hour[]): readonly Hour[] {
    const now = this.#hourNow();
    // Hours ahead of the clock are left by one that was wrong.
    return hours.filter(({ hour }) => hour > now - KEPT_HOURS && hour <= now);
  }

  #now(): Hour {
    const now = this.#hourNow();
    const last = this.#own.at(-1);
    if (last?.hour === now) return last;
    const begun: Hour = { hour: now, finished: 0, late: 0, quarantined: 0 };
    this.#own = [...this.#lastHours(this.#own), begun];
    return begun;
  }

  #hourNow(): number {
    return Math.floor(this.#clock.nowMs() / HOUR_MS);
  }
}

/** Both counts together, hour by hour, in order. */
function added(some: readonly Hour[], others: readonly Hour[]): Hour[] {
  const byHour = new Map<number, Hour>();
  for (const one of [...some, ...others]) {
    const sum = byHour.get(one.hour);
    if (sum === undefined) {
      byHour.set(one.hour, { ...one });
      continue;
    }
    sum.finished += one.finished;
    sum.late += one.late;
    sum.quarantined += one.quarantined;
  }
  return [...byHour.values()].sort((a, b) => a.hour - b.hour);
}

/** The same happenings, counted. */
export function tallied(happenings: Happenings, tally: LagTally): Happenings {
  return {
    ...happenings,
    transferFinished: (event) => {
      happenings.transferFinished(event);
      const { outcome, receipt, isConfirmed } = event;
      const isWritten = outcome === 'replicated' || outcome === 'metadata_updated';
      // A last look that confirms tells the same end a second time.
      if (receipt !== null && isWritten && !isConfirmed) tally.finished(receipt.lagMs);
    },
    recordQuarantined: (event) => {
      happenings.recordQuarantined(event);
      tally.quarantined();
    },
  };
}

function hoursOf(text: string): Hour[] {
  const parsed = jsonOf(text);
  if (!Array.isArray(parsed)) return [];
  return parsed.flatMap((entry: unknown): Hour[] => {
    const [hour, finished, late, quarantined] = ['hour', 'finished', 'late', 'quarantined'].map((name) =>
      Number(fieldOf(entry, name)),
    );
    if (hour === undefined || finished === undefined || late === undefined || quarantined === undefined)
      return [];
    return [hour, finished, late, quarantined].every(Number.isSafeInteger)
      ? [{ hour, finished, late, quarantined }]
      : [];
  });
}
