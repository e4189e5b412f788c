// The intake: every record of a document becomes a durable transfer, an ignored record with a reason, or a
// quarantined one, in one transaction. Answering the sender comes after this resolves.
import type { Change, ParsedChanges } from '../core/change.ts';
import type { Happenings } from '../core/happenings.ts';
import { mapTarget, type Rule, ruleMatches } from '../core/rule.ts';
import type {
  AcceptedTransfer,
  AcceptItem,
  AcceptRequest,
  DeliveryAnswer,
  TransferQueue,
} from '../core/transfer-queue.ts';

/** As much of a record as finds it again in the sender's log. */
const RAW_START_CHARS = 300;

export interface IntakeAnswer {
  /** True where the same delivery was taken before: nothing was taken now, the numbers are those of the document. */
  readonly isRepeat: boolean;
  /** Changes that at least one rule covers. */
  readonly accepted: number;
  readonly ignored: number;
  readonly quarantined: number;
  /** One per change and matching rule, in the document's order; changes of one object may share a transfer. */
  readonly transfers: readonly AcceptedTransfer[];
}

/**
 * Takes changes durably. Throws when the queue cannot take them; then nothing was taken and the sender must retry.
 * A delivery with an id is taken once; without one, or with null, changes are taken whenever they come.
 */
export type AcceptChanges = (parsed: ParsedChanges, deliveryId?: string | null) => Promise<IntakeAnswer>;

/** Builds the intake of these rules over this queue. */
export function createIntake(deps: {
  readonly rules: readonly Rule[];
  readonly queue: TransferQueue;
  readonly happenings: Happenings;
}): AcceptChanges {
  const { rules, queue, happenings } = deps;
  return async (parsed, deliveryId = null) => {
    const items: AcceptItem[] = [];
    const uncovered: Change[] = [];
    for (const change of parsed.changes) {
      const matched = itemsOf(rules, change);
      if (matched.length === 0) uncovered.push(change);
      items.push(...matched);
    }
    const { isRepeat, transfers } = await take(queue, { items, quarantine: parsed.malformed }, deliveryId);
    if (isRepeat) happenings.deliveryRepeated({ deliveryId: deliveryId ?? '', itemCount: items.length });
    else {
      if (transfers.length !== items.length)
        throw new Error('The queue answered fewer transfers than it was given');
      tell(happenings, { items, transfers, uncovered, parsed });
    }
    return {
      isRepeat,
      accepted: parsed.changes.length - uncovered.length,
      ignored: parsed.ignored.length + uncovered.length,
      quarantined: parsed.malformed.length,
      transfers: transfers.filter((transfer) => transfer !== null),
    };
  };
}

async function take(
  queue: TransferQueue,
  request: AcceptRequest,
  deliveryId: string | null,
): Promise<DeliveryAnswer> {
  if (request.items.length === 0 && request.quarantine.length === 0)
    return { isRepeat: false, transfers: [] };
  if (deliveryId !== null) return queue.acceptDelivery(deliveryId, request);
  return { isRepeat: false, transfers: await queue.accept(request) };
}

function tell(
  happenings: Happenings,
  taken: {
    readonly items: readonly AcceptItem[];
    readonly transfers: DeliveryAnswer['transfers'];
    readonly uncovered: readonly Change[];
    readonly parsed: ParsedChanges;
  },
): void {
  const { items, transfers, uncovered, parsed } = taken;
  for (const [index, { ruleName, source, target, change }] of items.entries()) {
    const transfer = transfers[index];
    if (transfer === undefined || transfer === null) throw new Error('The queue left a transfer out');
    const { transport } = change;
    happenings.changeAccepted({ ...transfer, ruleName, source, target, transport });
  }
  for (const record of parsed.ignored) happenings.changeIgnored({ reason: record.reason, source: null });
  for (const { bucket, key } of uncovered)
    happenings.changeIgnored({ reason: 'no rule covers this object', source: { bucket, key } });
  for (const { reason, raw } of parsed.malformed)
    happenings.recordQuarantined({ reason, rawStart: raw.slice(0, RAW_START_CHARS) });
}

function itemsOf(rules: readonly Rule[], change: Change): AcceptItem[] {
  const source = { bucket: change.bucket, key: change.key };
  return rules
    .filter((rule) => ruleMatches(rule, source))
    .map((rule) => ({ ruleName: rule.name, source, target: mapTarget(rule, source), change }));
}
