// How many transfers are parked of each class (rule and fault). Kept while rows change, so that asking costs nothing.
import type { FaultCode } from '../core/faults.ts';
import type { ParkedClass, ParkedFilter } from '../core/transfer-queue.ts';
import type { TransferRow } from './transfer-row.ts';

type ClassName = Pick<ParkedClass, 'ruleName' | 'faultCode'>;
type ClassifiedRow = Pick<TransferRow<unknown>, 'status' | 'ruleName' | 'fault'>;

/** Parked rows that one redrive of a class looks at: some milliseconds, whatever the filter leaves out. */
export const EXAMINED_PARKED_ROWS = 5000;

/** Counts by class; as changes they may be negative. */
export class ParkedTally {
  readonly #countByFault = new Map<FaultCode, Map<string, number>>();

  /** Notes a written row; `before` is null for a new one. */
  note(before: ClassifiedRow | null, after: ClassifiedRow): void {
    if (before?.status === 'parked') this.addTo(classOf(before), -1);
    if (after.status === 'parked') this.addTo(classOf(after), 1);
  }

  /** Adds so many rows to a class. */
  addTo({ ruleName, faultCode }: ClassName, count: number): void {
    const byRule = this.#countByFault.get(faultCode) ?? new Map<string, number>();
    const sum = (byRule.get(ruleName) ?? 0) + count;
    if (sum === 0) byRule.delete(ruleName);
    else byRule.set(ruleName, sum);
    if (byRule.size === 0) this.#countByFault.delete(faultCode);
    else this.#countByFault.set(faultCode, byRule);
  }

  /** Adds every count of another tally. */
  add(other: ParkedTally): void {
    // Nearly no commit parks anything.
    if (other.#countByFault.size === 0) return;
    for (const { count, ...name } of other.entries()) this.addTo(name, count);
  }

  /** Every class that has a count. */
  *entries(): Generator<ClassName & { readonly count: number }> {
    for (const [faultCode, byRule] of this.#countByFault) {
      for (const [ruleName, count] of byRule) yield { ruleName, faultCode, count };
    }
  }

  /** How many rows a class has. */
  countOf({ ruleName, faultCode }: ClassName): number {
    return this.#countByFault.get(faultCode)?.get(ruleName) ?? 0;
  }
}

/** The class of a parked row. Only the attempt that parks a row gives it this status, and it names the fault. */
export function classOf({ ruleName, fault }: Pick<ClassifiedRow, 'ruleName' | 'fault'>): ClassName {
  if (fault === null) throw new Error('A parked transfer has no fault');
  return { ruleName, faultCode: fault.code };
}

/** True where a parked row is meant. */
export function isMeant(
  row: ClassName & { readonly bucket: string; readonly key: string },
  filter: ParkedFilter,
): boolean {
  return (
    (filter.ruleName === undefined || row.ruleName === filter.ruleName) &&
    (filter.faultCode === undefined || row.faultCode === filter.faultCode) &&
    (filter.bucket === undefined || row.bucket === filter.bucket) &&
    (filter.keyPrefix === undefined || row.key.startsWith(filter.keyPrefix))
  );
}

/** Entries of the same class as one, in the order in which classes are told. */
export function joinClasses(entries: Iterable<ParkedClass>): ParkedClass[] {
  const classes = new Map<string, ParkedClass>();
  for (const entry of entries) {
    const name = JSON.stringify([entry.ruleName, entry.faultCode]);
    const known = classes.get(name);
    if (known === undefined) {
      classes.set(name, entry);
      continue;
    }
    classes.set(name, {
      ...(entry.firstAtMs < known.firstAtMs ? entry : known),
      count: known.count + entry.count,
      lastAtMs: Math.max(known.lastAtMs, entry.lastAtMs),
    });
  }
  return [...classes.values()].sort(compareClasses);
}

function compareClasses(a: ClassName, b: ClassName): number {
  return compareText(a.faultCode, b.faultCode) || compareText(a.ruleName, b.ruleName);
}

function compareText(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
