// The brake on mirrored deletes. Every delete asks it after absence is proved and before anything is sent, and is
// counted durably first, so that a crash can only make the brake stricter. Past a limit of the rule further deletes
// are held, copies are not; what becomes of held ones is decided by a person (held-deletes.ts).
import type { Clock } from '../core/clock.ts';
import {
  askBrake,
  type BrakeAnswer,
  type BrakeState,
  type BrakeTrip,
  deletesWithin,
  limitOf,
  rejectBrake,
  releaseBrake,
} from '../core/delete-brake.ts';
import type { DurableNotes } from '../core/durable-notes.ts';
import type { Happenings } from '../core/happenings.ts';
import type { ObjectLocation, TargetToken } from '../core/object.ts';
import type { Rule } from '../core/rule.ts';
import { BrakeNotes } from './brake-notes.ts';

/** Deletes that were counted and may be sent again, at most; beyond that the oldest would be counted twice. */
const MAX_REMEMBERED = 10_000;
/** Objects that appeared are written down at the latest when there are so many. */
const MAX_UNWRITTEN = 1_000;

export interface DeleteBrakeOptions {
  readonly notes: DurableNotes;
  readonly clock: Clock;
  readonly happenings: Pick<Happenings, 'brakeTripped' | 'workerTroubled'>;
}

/** The brake of one rule, as it is shown. */
export interface BrakeView {
  readonly ruleName: string;
  /** Null while deletes pass. */
  readonly trip: BrakeTrip | null;
  /** Deletes within the window, and how many may be. */
  readonly deletes: number;
  readonly limit: number;
  /** About how many objects the rule has at the target. */
  readonly objects: number;
  /** Released deletes that have not passed yet. */
  readonly released: number;
}

export class DeleteBrake {
  readonly #happenings: DeleteBrakeOptions['happenings'];
  readonly #clock: Clock;
  readonly #notes: BrakeNotes;
  /** The object states whose delete is counted, by rule and name: each can be deleted only once. */
  readonly #counted = new Map<string, TargetToken>();
  /** Objects that appeared and are not written down yet. */
  readonly #appeared = new Map<string, number>();
  /** The number of objects as it was last written down. */
  readonly #objects = new Map<string, number>();
  readonly #writing = new Set<Promise<void>>();

  constructor(options: DeleteBrakeOptions) {
    this.#happenings = options.happenings;
    this.#clock = options.clock;
    this.#notes = new BrakeNotes(options.notes, options.clock);
  }

  /**
   * May the object be deleted at `token`? A `go` is counted on the disk when this resolves. Rejects, and nothing may
   * be deleted, where the notes cannot be read or written.
   */
  async ask(request: {
    readonly rule: Rule;
    readonly target: ObjectLocation;
    readonly token: TargetToken;
    /** Time of the oldest change that the delete would cover. */
    readonly changeAtMs: number;
  }): Promise<BrakeAnswer> {
    const { rule, target, token, changeAtMs } = request;
    const name = JSON.stringify([rule.name, target.bucket, target.key]);
    const isCounted = this.#counted.get(name) === token;
    const answer = await this.#change(rule.name, (state, timeMs) =>
      askBrake(state, {
        limits: rule.deleteBrake,
        changeAtMs,
        isCounted,
        timeMs,
        wallMs: this.#clock.nowMs(),
      }),
    );
    if (answer.kind === 'go') this.#remember(name, token);
    if (answer.kind === 'held' && answer.isFirst) {
      this.#happenings.brakeTripped({ ruleName: rule.name, trip: answer.trip });
    }
    return answer;
  }

  /**
   * A new object is at the target. Written down with the next delete, or when one percent more has appeared: a crash
   * forgets at most that much, and the limit is then lower, not higher.
   */
  objectAppeared(ruleName: string): void {
    const unwritten = (this.#appeared.get(ruleName) ?? 0) + 1;
    this.#appeared.set(ruleName, unwritten);
    const isMany = unwritten * 100 >= (this.#objects.get(ruleName) ?? 0) || unwritten >= MAX_UNWRITTEN;
    if (!isMany || this.#writing.size > 0) return;
    const writing = this.#writeAppeared(ruleName).finally(() => this.#writing.delete(writing));
    this.#writing.add(writing);
  }

  /** Somebody has counted the rule's objects at the target: from here on this is their number. */
  async objectsCounted(ruleName: string, count: number): Promise<void> {
    this.#appeared.delete(ruleName);
    await this.#change(ruleName, (state) => ({ state: { ...state, objects: count }, answer: undefined }));
  }

  /** The brakes of these rules, in their order. */
  async views(rules: readonly Rule[]): Promise<readonly BrakeView[]> {
    return Promise.all(rules.map((rule) => this.#view(rule)));
  }

  async #view({ name, deleteBrake }: Rule): Promise<BrakeView> {
    return this.#change(name, (state, timeMs) => {
      const deletes = deletesWithin(state, deleteBrake, timeMs);
      const counting = { objects: state.objects, deletes: [{ fromMs: timeMs, count: deletes }] };
      const { trip, objects } = state;
      const limit = limitOf(counting, deleteBrake);
      const released = state.released?.count ?? 0;
      return { state, answer: { ruleName: name, trip, deletes, limit, objects, released } };
    });
  }

  /** Lets `held` deletes of changes up to `changesUpToMs` pass; counting begins anew. Nothing runs by this alone. */
  async release(ruleName: string, held: number, changesUpToMs: number): Promise<void> {
    await this.#change(ruleName, (state) => ({
      state: releaseBrake(state, { held, changesUpToMs }),
      answer: undefined,
    }));
  }

  /** The objects of all changes up to `changesUpToMs` stay for good; counting begins anew. */
  async reject(ruleName: string, changesUpToMs: number): Promise<void> {
    await this.#change(ruleName, (state) => ({
      state: rejectBrake(state, changesUpToMs),
      answer: undefined,
    }));
  }

  /** Writes down what is not yet. Call it when nothing asks any more. */
  async close(): Promise<void> {
    await Promise.all(this.#writing);
    await Promise.all(Array.from(this.#appeared.keys(), async (ruleName) => this.#writeAppeared(ruleName)));
  }

  async #writeAppeared(ruleName: string): Promise<void> {
    try {
      // The change itself takes along what appeared.
      await this.#change(ruleName, (state) => ({ state, answer: undefined }));
    } catch (error) {
      this.#happenings.workerTroubled({ doing: `counting the objects of rule ${ruleName}`, error });
    }
  }

  async #change<Answer>(
    ruleName: string,
    step: (state: BrakeState, timeMs: number) => { readonly state: BrakeState; readonly answer: Answer },
  ): Promise<Answer> {
    const appeared = this.#appeared.get(ruleName) ?? 0;
    this.#appeared.delete(ruleName);
    let objects = 0;
    try {
      const answer = await this.#notes.change(ruleName, (before, timeMs) => {
        const counted = appeared === 0 ? before : { ...before, objects: before.objects + appeared };
        const next = step(counted, timeMs);
        objects = next.state.objects;
        return next;
      });
      this.#objects.set(ruleName, objects);
      return answer;
    } catch (error) {
      this.#appeared.set(ruleName, (this.#appeared.get(ruleName) ?? 0) + appeared);
      throw error;
    }
  }

  #remember(name: string, token: TargetToken): void {
    this.#counted.delete(name);
    this.#counted.set(name, token);
    for (const oldest of this.#counted.keys()) {
      if (this.#counted.size <= MAX_REMEMBERED) break;
      this.#counted.delete(oldest);
    }
  }
}
