// Where the brakes of all rules are written down. Everything that is asked for while a write is under way goes into
// the next one together, so that many deletes at once cost few writes.
import { type BrakeState, NEW_BRAKE, readBrakeState } from '../core/delete-brake.ts';
import type { Clock } from '../core/clock.ts';
import type { DurableNotes } from '../core/durable-notes.ts';

const PREFIX = 'delete-brake/';

/** One change of a brake: the state that follows and what is answered. Run again where somebody wrote meanwhile. */
type Step<Answer> = (
  state: BrakeState,
  timeMs: number,
) => { readonly state: BrakeState; readonly answer: Answer };

interface Waiting {
  readonly apply: (state: BrakeState, timeMs: number) => BrakeState;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

interface Page {
  readonly waiting: Waiting[];
  isWriting: boolean;
  /** What this process adds to its own time so that the brake's time does not go back; null before the first read. */
  aheadMs: number | null;
}

export class BrakeNotes {
  readonly #notes: DurableNotes;
  readonly #clock: Clock;
  /** The wall's time at the monotonic zero: a wall clock that is set while the process runs moves no window. */
  readonly #originMs: number;
  readonly #pages = new Map<string, Page>();

  constructor(notes: DurableNotes, clock: Clock) {
    this.#notes = notes;
    this.#clock = clock;
    this.#originMs = clock.nowMs() - clock.monotonicMs();
  }

  /** Resolves with the step's answer when its state would survive a power cut. */
  async change<Answer>(ruleName: string, step: Step<Answer>): Promise<Answer> {
    const page = this.#pageOf(ruleName);
    return new Promise((resolve, reject) => {
      let answer: Answer;
      page.waiting.push({
        apply: (state, timeMs) => {
          const next = step(state, timeMs);
          answer = next.answer;
          return next.state;
        },
        resolve: () => resolve(answer),
        reject,
      });
      if (!page.isWriting) void this.#writeAll(ruleName, page);
    });
  }

  #pageOf(ruleName: string): Page {
    const known = this.#pages.get(ruleName);
    if (known !== undefined) return known;
    const page: Page = { waiting: [], isWriting: false, aheadMs: null };
    this.#pages.set(ruleName, page);
    return page;
  }

  async #writeAll(ruleName: string, page: Page): Promise<void> {
    page.isWriting = true;
    while (page.waiting.length > 0) {
      const together = page.waiting.splice(0);
      try {
        await this.#write(PREFIX + ruleName, page, together);
        for (const { resolve } of together) resolve();
      } catch (error) {
        for (const { reject } of together) reject(error);
      }
    }
    page.isWriting = false;
  }

  async #write(name: string, page: Page, together: readonly Waiting[]): Promise<void> {
    for (;;) {
      const note = await this.#notes.read(name);
      const before = note === null ? NEW_BRAKE : readBrakeState(note.value);
      const ownMs = this.#originMs + this.#clock.monotonicMs();
      page.aheadMs ??= Math.max(0, before.timeMs - ownMs);
      const timeMs = Math.max(before.timeMs, ownMs + page.aheadMs);
      let state = before;
      for (const { apply } of together) state = apply(state, timeMs);
      if (state === before) return;
      if (await this.#notes.write(name, JSON.stringify(state), note?.version ?? null)) return;
    }
  }
}
