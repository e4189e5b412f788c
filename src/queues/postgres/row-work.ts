// Operations on rows as one transaction: what they name is locked and read, they run over it in memory one after the
// other, and everything that they changed is written at once.
import type { MalformedRecord } from '../../core/change.ts';
import type { CheckpointSealer } from '../checkpoint-sealer.ts';
import type { ClaimTurns } from '../claim-turns.ts';
import type { OperationContext } from '../operations.ts';
import { RowChanges } from '../queue-listeners.ts';
import type { SteadyClock } from '../steady-clock.ts';
import type { Answer, Database, Statement } from './database.ts';
import { lockPlaces, lookup } from './lookups.ts';
import { type Place, placeName, placesJson, type PostgresRow, text, toJson, toRow, WRITES } from './rows.ts';
import { RowSet } from './row-set.ts';
import { fromStored, toStored } from './stored-text.ts';
import type { TallyWriter } from './tallies.ts';

/** One operation, and the rows it may touch. */
export interface RowWork<Result> {
  /** Rows it may touch, roughly. */
  readonly weight: number;
  readonly ids?: readonly string[];
  readonly places?: readonly Place[];
  /** A delivery that names itself. */
  readonly deliveryId?: string;
  /** A row that is only looked at, and the id that asks for it. */
  readonly seen?: readonly [id: string, row: PostgresRow];
  /** True for the end of an attempt; see src/queues/postgres/database.ts. */
  readonly isEnd?: boolean;
  readonly run: (context: OperationContext<PostgresRow>, changes: RowChanges) => Result;
}

/** What all operations of a queue have in common. */
export interface RowWorkSettings {
  readonly sealer: CheckpointSealer | null;
  readonly smallMaxBytes: number;
  readonly leaseMs: number;
  readonly turns: ClaimTurns;
  readonly tallies: TallyWriter;
}

/** A record to be kept, as it is written. */
interface KeptRecord {
  readonly id: string;
  readonly reason: string;
  readonly raw: string;
  readonly received_at: number;
}

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

const KEEP_RECORDS =
  'INSERT INTO replicator_quarantine (id, reason, raw, received_at) ' +
  "SELECT id, reason, decode(raw, 'hex'), received_at FROM json_to_recordset($1::json) " +
  'AS r(id uuid, reason text, raw text, received_at bigint)';
const KEEP_DELIVERIES =
  'INSERT INTO replicator_deliveries (id, taken_at) SELECT id, taken_at FROM json_to_recordset($1::json) ' +
  'AS r(id text, taken_at bigint) ORDER BY id COLLATE "C"';
const REMOVE_ENDED = 'DELETE FROM replicator_transfers WHERE seq = ANY($1::bigint[])';

/** True for text that can be the id of a transfer; anything else has no row. */
export function isTransferId(id: string): boolean {
  return UUID.test(id);
}

/** The statements that lock and read what these operations name. */
export function readsOf(works: readonly RowWork<unknown>[]): Statement[] {
  const ids = works.flatMap((work) => work.ids ?? []).filter(isTransferId);
  const places = new Map(
    works.flatMap((work) => work.places ?? []).map((place) => [placeName(place), place]),
  );
  const named = works.filter(({ deliveryId }) => deliveryId !== undefined);
  const reads: Statement[] = [];
  if (ids.length > 0) reads.push(lookup('lockByIds', [...new Set(ids)]));
  if (places.size > 0) reads.push(lockPlaces(places.values()));
  if (named.length > 0) {
    const deliveryIds = named.map(({ deliveryId }) => toStored(deliveryId ?? ''));
    const repeated = new Map(
      named.flatMap((work) => work.places ?? []).map((place) => [placeName(place), place]),
    );
    reads.push(lookup('knownDeliveries', deliveryIds));
    // A delivery that was taken before is told what became of it, also where that is history.
    reads.push(lookup('newestInHistory', placesJson(repeated.values())));
  }
  return reads;
}

/** Splits the answers to `readsOf`. */
export function readBy(
  works: readonly RowWork<unknown>[],
  answers: readonly Answer[],
): {
  readonly rows: readonly PostgresRow[];
  readonly seen: Map<string, PostgresRow>;
  readonly deliveries: Set<string>;
} {
  const isNamed = works.some(({ deliveryId }) => deliveryId !== undefined);
  const [known = [], history = []] = isNamed ? answers.slice(-2) : [];
  const locked = isNamed ? answers.slice(0, -2) : answers;
  const seen = new Map(works.flatMap((work) => (work.seen === undefined ? [] : [work.seen])));
  for (const columns of history) {
    const row = toRow(columns);
    seen.set(row.id, row);
  }
  return {
    rows: locked.flat().map(toRow),
    seen,
    deliveries: new Set(known.map((columns) => fromStored(text(columns, 'id')))),
  };
}

/** An operation over rows that were locked for it. */
export type LoneOperation<Result> = (
  context: OperationContext<PostgresRow>,
  changes: RowChanges,
  rows: readonly PostgresRow[],
) => Result;

/** Runs one operation over the rows that a statement locks, as a transaction of its own. */
export function runAlone<Result>(
  database: Database,
  settings: RowWorkSettings,
  work: {
    readonly lock: Statement;
    readonly run: LoneOperation<Result>;
    readonly patienceMs: number;
  },
): Promise<{ readonly changes: RowChanges; readonly result: Result }> {
  const decide = (
    [locked = []]: readonly Answer[],
    clock: SteadyClock,
  ): {
    readonly writes: readonly Statement[];
    readonly result: { readonly changes: RowChanges; readonly result: Result };
  } => {
    const rows = locked.map(toRow);
    const transaction = new RowTransaction(settings, clock, { rows, seen: new Map(), deliveries: new Set() });
    const result = transaction.run((context, changes) => work.run(context, changes, rows));
    return { writes: transaction.writes(), result: { changes: transaction.changes, result } };
  };
  return database.transact({ reads: [work.lock], alwaysWrites: false, decide }, work.patienceMs);
}

/** Everything that one transaction has in memory. */
export class RowTransaction {
  readonly #set: RowSet;
  readonly #settings: RowWorkSettings;
  readonly #clock: SteadyClock;
  readonly #deliveries: Set<string>;
  readonly #newDeliveries: { readonly id: string; readonly taken_at: number }[] = [];
  readonly #records: KeptRecord[] = [];
  /** Of all operations together. */
  readonly changes = new RowChanges();

  constructor(settings: RowWorkSettings, clock: SteadyClock, read: ReturnType<typeof readBy>) {
    const { sealer, smallMaxBytes } = settings;
    this.#settings = settings;
    this.#clock = clock;
    this.#deliveries = read.deliveries;
    this.#set = new RowSet({ sealer, smallMaxBytes, rows: read.rows, seen: read.seen });
  }

  /** Runs one operation. What it throws leaves the transaction useless. */
  run<Result>(operation: RowWork<Result>['run']): Result {
    const changes = new RowChanges();
    const result = operation(
      {
        table: this.#set,
        clock: this.#clock,
        leaseMs: this.#settings.leaseMs,
        turns: this.#settings.turns,
        keepDelivery: (id, takenAtMs) => this.#keepDelivery(id, takenAtMs),
        keepRecord: (id, record, receivedAtMs) => this.#keepRecord(id, record, receivedAtMs),
      },
      changes,
    );
    this.changes.add(changes);
    return result;
  }

  /** The statements that write what the operations did; in an order that two transactions share. */
  writes(): Statement[] {
    const { updated, added, ended } = this.#set.writes();
    const writes: Statement[] = [];
    const write = (name: string, sql: string, rows: readonly unknown[]): void => {
      if (rows.length > 0) writes.push({ name, text: sql, values: [JSON.stringify(rows)] });
    };
    if (ended.length > 0)
      writes.push({ name: 'removeEnded', text: REMOVE_ENDED, values: [ended.map(({ seq }) => seq)] });
    write('insertHistory', WRITES.insertHistory, ended.map(toJson));
    write('updateLive', WRITES.updateLive, updated.map(toJson));
    write('insertLive', WRITES.insertLive, added.map(toJson));
    write('keepDeliveries', KEEP_DELIVERIES, this.#newDeliveries);
    write('keepRecords', KEEP_RECORDS, this.#records);
    return [...writes, ...this.#settings.tallies.statements(this.changes, this.#records.length)];
  }

  #keepDelivery(id: string, takenAtMs: number): boolean {
    if (this.#deliveries.has(id)) return false;
    this.#deliveries.add(id);
    this.#newDeliveries.push({ id: toStored(id), taken_at: takenAtMs });
    return true;
  }

  #keepRecord(id: string, { reason, raw }: MalformedRecord, receivedAtMs: number): void {
    const kept = { id, reason: toStored(reason), raw: Buffer.from(raw, 'utf8').toString('hex') };
    this.#records.push({ ...kept, received_at: receivedAtMs });
  }
}
