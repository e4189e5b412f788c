// The records that could not be understood, as the queue in memory keeps them.
import type { MalformedRecord } from '../../core/change.ts';
import type { QuarantinedRecord } from '../../core/transfer-queue.ts';
import { previewOf } from '../quarantine-preview.ts';
import { cutPage } from './cut-page.ts';

export class MemoryQuarantine {
  #records: (QuarantinedRecord & { readonly position: number })[] = [];
  #lastPosition = 0;

  get count(): number {
    return this.#records.length;
  }

  keep(id: string, { reason, raw }: MalformedRecord, receivedAtMs: number): void {
    const position = ++this.#lastPosition;
    this.#records.push({ position, id, reason, raw, rawBytes: Buffer.byteLength(raw), receivedAtMs });
  }

  /** One page, newest first. Throws a RangeError for an unknown cursor or limit. */
  list(request: { readonly cursor: string | null; readonly limit: number }): {
    readonly records: readonly QuarantinedRecord[];
    readonly nextCursor: string | null;
  } {
    const { page, nextCursor } = cutPage(this.#records.toReversed(), request);
    const records = page.map((record) => ({ ...shown(record), raw: previewOf(Buffer.from(record.raw)) }));
    return { records, nextCursor };
  }

  /** The whole record; null where the id is unknown. */
  get(id: string): QuarantinedRecord | null {
    const found = this.#records.find((record) => record.id === id);
    return found === undefined ? null : shown(found);
  }

  /** Removes at most `limit` records received before `beforeMs`; returns how many. */
  prune(beforeMs: number, limit: number): number {
    const old = this.#records.filter((record) => record.receivedAtMs < beforeMs).slice(0, limit);
    this.#records = this.#records.filter((record) => !old.includes(record));
    return old.length;
  }
}

/** Without the position, which is the driver's own. */
function shown({ id, reason, raw, rawBytes, receivedAtMs }: QuarantinedRecord): QuarantinedRecord {
  return { id, reason, raw, rawBytes, receivedAtMs };
}
