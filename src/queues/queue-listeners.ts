// Who wants to hear of a queue's commits: workers that wait for work, and readers that follow transfers;
// and what there is to tell them.
import type { TransferStatus } from '../core/transfer.ts';
import { ParkedTally } from './parked-tally.ts';
import type { TransferRow } from './transfer-row.ts';

/** What operations did to rows, gathered until their commit and told after it. */
export class RowChanges {
  /** Transfers whose status changed. */
  readonly transferIds = new Set<string>();
  /** How many rows more, or fewer, are in each status. */
  readonly countByStatus: Record<TransferStatus, number> = {
    queued: 0,
    copying: 0,
    settling: 0,
    done: 0,
    parked: 0,
  };
  /** How many more, or fewer, are parked of each class. */
  readonly parked = new ParkedTally();
  #hasWork = false;

  /** True where rows may have become due, or due at another time. */
  get hasWork(): boolean {
    return this.#hasWork;
  }

  /** Notes a written row; `before` is null for a new one. */
  note(before: TransferRow<unknown> | null, after: TransferRow<unknown>): void {
    const isWaiting = after.status === 'queued' || after.status === 'settling';
    if (isWaiting && before?.wakeAtMs !== after.wakeAtMs) this.#hasWork = true;
    if (before?.status === after.status) return;
    if (before !== null) this.countByStatus[before.status] -= 1;
    this.countByStatus[after.status] += 1;
    this.parked.note(before, after);
    this.transferIds.add(after.id);
    if (isWaiting) this.#hasWork = true;
  }

  /** Adds what another operation of the same commit did. */
  add(other: RowChanges): void {
    other.transferIds.forEach((id) => this.transferIds.add(id));
    this.countByStatus.queued += other.countByStatus.queued;
    this.countByStatus.copying += other.countByStatus.copying;
    this.countByStatus.settling += other.countByStatus.settling;
    this.countByStatus.done += other.countByStatus.done;
    this.countByStatus.parked += other.countByStatus.parked;
    this.parked.add(other.parked);
    this.#hasWork ||= other.hasWork;
  }
}

/** What listeners are told of a commit. */
export type CommitNews = Pick<RowChanges, 'transferIds' | 'hasWork'>;

/** The listeners of one queue. A listener that throws is a bug and is not caught. */
export class QueueListeners {
  readonly #onWork = new Set<() => void>();
  readonly #onChanged = new Set<(transferIds: readonly string[]) => void>();

  /** Adds a listener; returns the function that removes it. */
  onWork(listener: () => void): () => void {
    // A wrapper of its own for each call, so that one function given twice can be taken away once.
    const entry = (): void => listener();
    this.#onWork.add(entry);
    return () => void this.#onWork.delete(entry);
  }

  /** Adds a listener; returns the function that removes it. */
  onChanged(listener: (transferIds: readonly string[]) => void): () => void {
    const entry = (transferIds: readonly string[]): void => listener(transferIds);
    this.#onChanged.add(entry);
    return () => void this.#onChanged.delete(entry);
  }

  /** Tells everybody what a commit did. */
  tell(changes: CommitNews): void {
    if (changes.transferIds.size > 0) {
      const transferIds = [...changes.transferIds];
      for (const listener of this.#onChanged) listener(transferIds);
    }
    if (changes.hasWork) for (const listener of this.#onWork) listener();
  }

  /** Forgets every listener. */
  clear(): void {
    this.#onWork.clear();
    this.#onChanged.clear();
  }
}
