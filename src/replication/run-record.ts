// One run and the transfers it waits for, kept together in one note: after a crash neither is ahead of the other.
import type { DurableNotes } from '../core/durable-notes.ts';
import type { FaultRecord } from '../core/faults.ts';
import type { Outcome } from '../core/transfer.ts';
import { addCounts, type Found, hasRunEnded, NO_COUNTS, type Run, type RunKind } from './run.ts';

interface Kept {
  readonly run: Run;
  /** Ids of transfers that were fed and had not ended, by what they were fed for. */
  readonly open: Readonly<Partial<Record<FedFor, readonly string[]>>>;
  /** Why a bucket that the listing passed over could not be listed; missing where all could. */
  readonly passedOver?: FaultRecord;
}

/** `fresh`: its own notification may merely have been on its way still. */
type FedFor = Found['kind'] | `fresh_${Found['kind']}`;

/** How a transfer that was fed ended. Null outcome: parked, or forgotten meanwhile. */
export interface FedEnd {
  readonly outcome: Outcome | null;
  readonly isParked: boolean;
}

/** Outcomes that changed the target. */
const HEALING: ReadonlySet<Outcome> = new Set<Outcome>(['replicated', 'metadata_updated', 'deleted']);

/** A run as it is worked on. Everybody sees a change at once; `keep` makes it survive a crash. */
export class RunRecord {
  readonly #notes: DurableNotes;
  #run: Run;
  readonly #open = new Map<string, FedFor>();
  #passedOver: FaultRecord | null = null;
  #keeping: Promise<void> = Promise.resolve();
  #isKept = true;
  /** Of the note as this process wrote or read it; null before its first write. */
  #version: number | null;
  /** What was written since that may be there although nobody heard of it. */
  readonly #unheard = new Set<string>();

  private constructor(notes: DurableNotes, { run, open, passedOver }: Kept, version: number | null) {
    this.#notes = notes;
    this.#version = version;
    this.#passedOver = passedOver ?? null;
    // A run of an older version may lack a number that is counted now.
    this.#run = { ...run, counts: { ...NO_COUNTS, ...run.counts } };
    for (const [fedFor, ids] of Object.entries(open))
      for (const id of ids) this.#open.set(id, fedFor as FedFor);
  }

  /** A new run; it is durable when this resolves. */
  static async begin(notes: DurableNotes, run: Run): Promise<RunRecord> {
    const record = new RunRecord(notes, { run, open: {} }, null);
    await record.keep();
    return record;
  }

  /** All runs of a kind that are kept, oldest first. */
  static async load(notes: DurableNotes, kind: RunKind): Promise<RunRecord[]> {
    const found = await notes.list(prefixOf(kind));
    return found
      .map(({ value, version }) => new RunRecord(notes, JSON.parse(value) as Kept, version))
      .sort((a, b) => a.run.createdAtMs - b.run.createdAtMs || (a.run.id < b.run.id ? -1 : 1));
  }

  get run(): Run {
    return this.#run;
  }

  /** Transfers that were fed and have not ended. */
  get openCount(): number {
    return this.#open.size;
  }

  openIds(): readonly string[] {
    return [...this.#open.keys()];
  }

  isOpen(transferId: string): boolean {
    return this.#open.has(transferId);
  }

  /** True where something changed since it was kept. */
  get isAhead(): boolean {
    return !this.#isKept;
  }

  /** The first of the faults for which a bucket was passed over; null where there was none. */
  get passedOver(): FaultRecord | null {
    return this.#passedOver;
  }

  /** Notes that a bucket could not be listed: the run fails for it when all others are. */
  passOver(fault: FaultRecord): void {
    this.#passedOver ??= fault;
    this.#isKept = false;
  }

  change(change: Partial<Run>): void {
    this.#run = { ...this.#run, ...change };
    // Whoever ended waits for nothing.
    if (hasRunEnded(this.#run)) this.#open.clear();
    this.#isKept = false;
  }

  addCounts(more: Parameters<typeof addCounts>[1]): void {
    this.change({ counts: addCounts(this.#run.counts, more) });
  }

  fed(transferId: string, { kind, isFresh }: Found): void {
    this.#open.set(transferId, isFresh ? `fresh_${kind}` : kind);
    this.#isKept = false;
  }

  /** Counts the end of a transfer that was fed; answers whether it healed what a lost change had left. */
  transferEnded(transferId: string, { outcome, isParked }: FedEnd): boolean {
    const fedFor = this.#open.get(transferId);
    if (fedFor === undefined) return false;
    this.#open.delete(transferId);
    const isReconcile = this.#run.kind === 'reconcile';
    const isHealed = isReconcile && !fedFor.startsWith('fresh_') && outcome !== null && HEALING.has(outcome);
    this.addCounts({
      ended: 1,
      parked: isParked ? 1 : 0,
      healed: isHealed ? 1 : 0,
      appeared: fedFor.endsWith('missing') && outcome === 'replicated' ? 1 : 0,
    });
    if (outcome !== null) {
      const { counts } = this.#run;
      const outcomes = { ...counts.outcomes, [outcome]: (counts.outcomes[outcome] ?? 0) + 1 };
      this.change({ counts: { ...counts, outcomes } });
    }
    return isHealed;
  }

  /**
   * Writes the run as it is now; durable when this resolves. Rejects where the notes cannot be written, and where somebody
   * else wrote the run meanwhile: a process that lost the lead and has not noticed undoes nothing of the next one.
   */
  async keep(): Promise<void> {
    const kept = this.#keeping.then(() => this.#write());
    this.#keeping = kept.catch(() => {});
    await kept;
  }

  /** Forgets a run that has ended. */
  async forget(): Promise<void> {
    const note = await this.#notes.read(this.#name());
    if (note !== null) await this.#notes.remove(this.#name(), note.version);
  }

  async #write(): Promise<void> {
    this.#isKept = true;
    const kept: Kept = {
      run: this.#run,
      open: Object.groupBy(this.#open.keys(), (id) => this.#open.get(id) ?? 'existing'),
      ...(this.#passedOver === null ? {} : { passedOver: this.#passedOver }),
    };
    const text = JSON.stringify(kept);
    try {
      const isWritten = (await this.#tryWrite(text)) || (await this.#tryWrite(text));
      if (!isWritten) throw new Error(`Somebody else writes the note of the run ${this.#run.id}`);
    } catch (error) {
      this.#isKept = false;
      throw error;
    }
  }

  /** False where the note is not what was written; what was found instead is believed where it is of this process. */
  async #tryWrite(text: string): Promise<boolean> {
    this.#unheard.add(text);
    await this.#notes.write(this.#name(), text, this.#version);
    const note = await this.#notes.read(this.#name());
    if (note === null || !this.#unheard.has(note.value)) return false;
    this.#version = note.version;
    const isWritten = note.value === text;
    if (isWritten) this.#unheard.clear();
    return isWritten;
  }

  #name(): string {
    return prefixOf(this.#run.kind) + this.#run.id;
  }
}

function prefixOf(kind: RunKind): string {
  return `run:${kind}:`;
}
