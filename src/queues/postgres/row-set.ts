// The rows of one transaction, read and locked by the server before: operations find and change them here, and what
// came of it is written in one go. So many operations cost as many round trips as one.
import { randomUUIDv7 } from 'node:crypto';
import type { Receipt } from '../../core/transfer.ts';
import type { Lane, Priority, UploadCheckpoint } from '../../core/transfer-queue.ts';
import type { CheckpointSealer } from '../checkpoint-sealer.ts';
import type { RowChanges } from '../queue-listeners.ts';
import type { RowTable, SealedRow } from '../row-table.ts';
import { laneOf } from '../transfer-row.ts';
import { type Place, placeName, type PostgresRow } from './rows.ts';

interface Entry {
  row: PostgresRow;
  isWritten: boolean;
}

interface RowSetOptions {
  readonly sealer: CheckpointSealer | null;
  readonly smallMaxBytes: number;
  /** Live rows, locked. */
  readonly rows: Iterable<PostgresRow>;
  /** Rows that are only looked at, by the ids that ask for them: done ones, or those of a follow-up. */
  readonly seen?: ReadonlyMap<string, PostgresRow>;
}

/** Everything that a transaction changed, each row once, as it is at the end. */
export interface RowWrites {
  readonly updated: readonly PostgresRow[];
  readonly added: readonly PostgresRow[];
  /** Done: they leave the live rows for the history. */
  readonly ended: readonly PostgresRow[];
}

export class RowSet implements RowTable<PostgresRow> {
  readonly #options: RowSetOptions;
  readonly #entries = new Map<string, Entry>();
  readonly #liveIdByPlace = new Map<string, string>();
  readonly #endedByPlace = new Map<string, PostgresRow>();

  constructor(options: RowSetOptions) {
    this.#options = options;
    for (const row of options.rows) {
      this.#entries.set(row.id, { row, isWritten: false });
      this.#liveIdByPlace.set(placeName(row), row.id);
    }
    // A live one that was only looked at may have changed since.
    for (const row of options.seen?.values() ?? [])
      if (row.status === 'done') this.#endedByPlace.set(placeName(row), row);
  }

  readonly newId = (): string => randomUUIDv7();

  byId(id: string): PostgresRow | null {
    return this.#entries.get(id)?.row ?? this.#options.seen?.get(id) ?? null;
  }

  byFollowUpId(id: string): PostgresRow | null {
    return this.#find((row) => row.followUp?.id === id)[0] ?? null;
  }

  newest(place: Place): PostgresRow | null {
    const name = placeName(place);
    const id = this.#liveIdByPlace.get(name);
    return id === undefined ? (this.#endedByPlace.get(name) ?? null) : this.byId(id);
  }

  due(lane: Lane, priority: Priority, steadyMs: number, limit: number): PostgresRow[] {
    const isDue = (row: PostgresRow): boolean =>
      (row.status === 'queued' || row.status === 'settling') &&
      row.lane === lane &&
      row.priority === priority &&
      hasWoken(row, steadyMs);
    return this.#find(isDue).sort(byWakeTime).slice(0, limit);
  }

  expired(steadyMs: number): PostgresRow[] {
    return this.#find((row) => row.status === 'copying' && hasWoken(row, steadyMs)).sort(byWakeTime);
  }

  withUpload(beforeMs: number, limit: number): PostgresRow[] {
    const isStale = ({ checkpoint, status, updatedAtMs }: PostgresRow): boolean =>
      checkpoint !== null && status !== 'copying' && updatedAtMs < beforeMs;
    return this.#find(isStale)
      .sort((a, b) => a.updatedAtMs - b.updatedAtMs || comparePlaces(a, b))
      .slice(0, limit);
  }

  lastReceipt(row: PostgresRow): Receipt | null {
    return row.receipt ?? row.priorReceipt;
  }

  insert(row: SealedRow, previous: PostgresRow | null, changes: RowChanges): void {
    const isProof = previous !== null && previous.receipt !== null;
    const added: PostgresRow = {
      ...row,
      seq: null,
      lane: laneOf(row, this.#options.smallMaxBytes),
      priorReceiptSeq: isProof ? previous.seq : (previous?.priorReceiptSeq ?? null),
      priorReceipt: isProof ? previous.receipt : (previous?.priorReceipt ?? null),
    };
    this.#entries.set(row.id, { row: added, isWritten: true });
    this.#liveIdByPlace.set(placeName(row), row.id);
    changes.note(null, added);
  }

  replace(before: PostgresRow, after: SealedRow, changes: RowChanges): void {
    if (before === after) return;
    changes.note(before, this.#write(before, after));
  }

  renew(row: PostgresRow, wakeAtMs: number): void {
    this.#write(row, { ...row, wakeAtMs });
  }

  progress(
    row: PostgresRow,
    report: Parameters<RowTable<PostgresRow>['progress']>[1],
    updatedAtMs: number,
  ): void {
    this.#write(row, { ...row, ...report, updatedAtMs });
  }

  sealCheckpoint(id: string, checkpoint: UploadCheckpoint | null): Uint8Array | null {
    return checkpoint === null ? null : (this.#options.sealer?.seal(id, checkpoint) ?? null);
  }

  openCheckpoint({ id, checkpoint }: Pick<SealedRow, 'id' | 'checkpoint'>): UploadCheckpoint | null {
    return checkpoint === null ? null : (this.#options.sealer?.open(id, checkpoint) ?? null);
  }

  /** What has to be written for all operations together. */
  writes(): RowWrites {
    const written = [...this.#entries.values()].filter(({ isWritten }) => isWritten).map(({ row }) => row);
    return {
      updated: written.filter(({ seq, status }) => seq !== null && status !== 'done'),
      added: written.filter(({ seq }) => seq === null),
      ended: written.filter(({ seq, status }) => seq !== null && status === 'done'),
    };
  }

  #write(before: PostgresRow, after: SealedRow): PostgresRow {
    const row: PostgresRow = { ...before, ...after, lane: laneOf(after, this.#options.smallMaxBytes) };
    this.#entries.set(row.id, { row, isWritten: true });
    if (row.status === 'done') this.#liveIdByPlace.delete(placeName(row));
    return row;
  }

  #find(isMeant: (row: PostgresRow) => boolean): PostgresRow[] {
    return Array.from(this.#entries.values(), ({ row }) => row).filter(isMeant);
  }
}

function hasWoken({ wakeAtMs }: PostgresRow, steadyMs: number): boolean {
  return wakeAtMs !== null && wakeAtMs <= steadyMs;
}

function byWakeTime(a: PostgresRow, b: PostgresRow): number {
  return (a.wakeAtMs ?? 0) - (b.wakeAtMs ?? 0) || comparePlaces(a, b);
}

/** In the order of beginning; rows that this transaction adds come last, in theirs. */
function comparePlaces(a: PostgresRow, b: PostgresRow): number {
  return (a.seq ?? Number.MAX_SAFE_INTEGER) - (b.seq ?? Number.MAX_SAFE_INTEGER);
}
