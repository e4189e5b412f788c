// The intake: every record of a document becomes a durable transfer, an ignored record with a reason, or a
// quarantined one, in one transaction. Answering the sender comes after this resolves.
import type { Change, ParsedChanges } from '../core/change.ts';
import type { Happenings } from '../core/happenings.ts';
import { mapTarget, type Rule, ruleMatches } from '../core/rule.ts';
import type { AcceptedTransfer, AcceptItem, TransferQueue } from '../core/transfer-queue.ts';

/** As much of a record as finds it again in the sender's log. */
const RAW_START_CHARS = 300;

export interface IntakeAnswer {
  /** Changes that at least one rule covers. */
  readonly accepted: number;
  readonly ignored: number;
  readonly quarantined: number;
  /** One per change and matching rule, in the document's order; changes of one object may share a transfer. */
  readonly transfers: readonly AcceptedTransfer[];
}

/** Takes changes durably. Throws when the queue cannot take them; then nothing was taken and the sender must retry. */
export type AcceptChanges = (parsed: ParsedChanges) => Promise<IntakeAnswer>;

/** Builds the intake of these rules over this queue. */
export function createIntake(deps: {
  readonly rules: readonly Rule[];
  readonly queue: TransferQueue;
  readonly happenings: Happenings;
}): AcceptChanges {
  const { rules, queue, happenings } = deps;
  return async (parsed) => {
    const items: AcceptItem[] = [];
    const uncovered: Change[] = [];
    for (const change of parsed.changes) {
      const matched = itemsOf(rules, change);
      if (matched.length === 0) uncovered.push(change);
      items.push(...matched);
    }
    const transfers =
      items.length > 0 || parsed.malformed.length > 0
        ? await queue.accept({ items, quarantine: parsed.malformed })
        : [];

    for (const [index, item] of items.entries()) {
      const transfer = transfers[index];
      if (transfer === undefined) throw new Error('The queue answered fewer transfers than it was given');
      const { ruleName, source, target } = item;
      const { transferId, joined } = transfer;
      happenings.changeAccepted({
        transferId,
        ruleName,
        source,
        target,
        transport: item.change.transport,
        joined,
      });
    }
    for (const record of parsed.ignored) happenings.changeIgnored({ reason: record.reason, source: null });
    for (const change of uncovered) {
      const source = { bucket: change.bucket, key: change.key };
      happenings.changeIgnored({ reason: 'no rule covers this object', source });
    }
    for (const record of parsed.malformed) {
      const { reason, raw } = record;
      happenings.recordQuarantined({ reason, rawStart: raw.slice(0, RAW_START_CHARS) });
    }

    return {
      accepted: parsed.changes.length - uncovered.length,
      ignored: parsed.ignored.length + uncovered.length,
      quarantined: parsed.malformed.length,
      transfers,
    };
  };
}

function itemsOf(rules: readonly Rule[], change: Change): AcceptItem[] {
  const source = { bucket: change.bucket, key: change.key };
  return rules
    .filter((rule) => ruleMatches(rule, source))
    .map((rule) => ({ ruleName: rule.name, source, target: mapTarget(rule, source), change }));
}
