// How a run gives the queue what it found: in small transactions, and never so much that live changes would have to
// look for their place. What waits in the queue is bounded, however many objects a run is about.
import type { ChangeTransport } from '../core/change.ts';
import type { Clock } from '../core/clock.ts';
import type { Happenings } from '../core/happenings.ts';
import { mapTarget, type Rule } from '../core/rule.ts';
import type { AcceptItem, TransferQueue } from '../core/transfer-queue.ts';
import type { Found } from './run.ts';

/** A run adds nothing while so many transfers, whoever asked for them, wait for their attempt. */
export const MAX_WAITING_TRANSFERS = 5000;
/** Changes of one transaction: a live change that arrives meanwhile waits for no more than these. */
const FED_AT_ONCE = 250;
const LOOK_AGAIN_MS = 500;

interface FeedDeps {
  readonly queue: TransferQueue;
  readonly clock: Clock;
  readonly happenings: Happenings;
}

export interface FedTransfer {
  readonly found: Found;
  readonly transferId: string;
  /** True where a transfer of this object was under way already. */
  readonly joined: boolean;
}

/** Resolves when there is room for a page, and nothing else against it. Answers true where it had to wait for it. */
export async function waitForRoom(
  deps: Pick<FeedDeps, 'queue' | 'clock'> & { readonly mayFeed?: () => boolean },
  signal: AbortSignal,
): Promise<boolean> {
  const { queue, clock, mayFeed } = deps;
  for (let hasWaited = false; ; hasWaited = true) {
    const { byStatus } = await queue.counts();
    if (byStatus.queued < MAX_WAITING_TRANSFERS && (mayFeed?.() ?? true)) return hasWaited;
    await clock.sleep(LOOK_AGAIN_MS, signal);
  }
}

/** Gives what was found to the queue, durably; in the order of `found`. To do it twice costs looks, nothing else. */
export async function feedQueue(
  { queue, happenings }: FeedDeps,
  request: {
    readonly rule: Rule;
    readonly bucket: string;
    readonly transport: Extract<ChangeTransport, 'backfill' | 'reconcile'>;
    readonly found: readonly Found[];
  },
): Promise<readonly FedTransfer[]> {
  const fed: FedTransfer[] = [];
  for (let start = 0; start < request.found.length; start += FED_AT_ONCE) {
    const some = request.found.slice(start, start + FED_AT_ONCE);
    const items = some.map((found) => itemOf(request, found));
    const accepted = await queue.accept({ items, quarantine: [] });
    for (const [index, item] of items.entries()) {
      const found = some[index];
      const transfer = accepted[index];
      if (found === undefined || transfer === undefined)
        throw new Error('The queue answered fewer transfers than it was given');
      const { ruleName, source, target, change } = item;
      const { transport } = change;
      happenings.changeAccepted({ ...transfer, ruleName, source, target, transport });
      fed.push({ found, ...transfer });
    }
  }
  return fed;
}

function itemOf(
  { rule, bucket, transport }: Pick<Parameters<typeof feedQueue>[1], 'rule' | 'bucket' | 'transport'>,
  { key, sizeBytes }: Found,
): AcceptItem {
  const source = { bucket, key };
  return {
    ruleName: rule.name,
    source,
    target: mapTarget(rule, source),
    // Without a time of its own: how long ago the object was written says nothing about how fast it is copied now.
    change: {
      ...source,
      kind: 'requested',
      transport,
      occurredAtMs: null,
      sizeBytes,
      versionId: null,
      sequencer: null,
    },
  };
}
