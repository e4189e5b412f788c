// Mistakes planted at the queue: changes that are forgotten, leases that nobody checks, looks that are owed and never
// made, retries without an end.
import { mapMetadata } from '../../src/core/metadata-map.ts';
import type { ClaimedTransfer, Lease, TransferQueue } from '../../src/core/transfer-queue.ts';
import { override } from './override.ts';
import type { Memories, Planted } from './planted.ts';

const NEVER = new AbortController().signal;

/** `queue` with another claim and, once an attempt of a known key ended, a word about it. */
function following(
  queue: TransferQueue,
  on: {
    readonly claimed?: (transfer: ClaimedTransfer) => void;
    readonly ended?: (key: string, owed: boolean) => void;
  },
): { readonly queue: TransferQueue; readonly keyOf: (lease: Lease) => string } {
  const keys = new Map<string, string>();
  const keyOf = (lease: Lease): string => keys.get(lease.transferId) ?? '';
  const ended = (lease: Lease, owed: boolean): void => on.ended?.(keyOf(lease), owed);
  const followed = override<TransferQueue>(queue, {
    claim: async (room) => {
      const claimed = await queue.claim(room);
      for (const transfer of claimed) {
        keys.set(transfer.lease.transferId, transfer.source.key);
        on.claimed?.(transfer);
      }
      return claimed;
    },
    finish: async (lease, end) => {
      const answer = await queue.finish(lease, end);
      if (answer.kind === 'finished') ended(lease, end.owed);
      return answer;
    },
    retry: async (lease, end) => {
      const isOurs = await queue.retry(lease, end);
      if (isOurs) ended(lease, end.owed);
      return isOurs;
    },
    park: async (lease, end) => {
      const answer = await queue.park(lease, end);
      if (answer !== 'lease_lost') ended(lease, end.owed);
      return answer;
    },
    release: async (lease, end) => {
      const isOurs = await queue.release(lease, end);
      if (isOurs) ended(lease, end.owed);
      return isOurs;
    },
  });
  return { queue: followed, keyOf };
}

/** Takes the row of one key, which is due, and ends it without an attempt. */
async function endWithoutAttempt(
  queue: TransferQueue,
  key: string,
  end: (lease: Lease) => Promise<unknown>,
): Promise<void> {
  for (const { lease, source } of await queue.claim({ total: 100, large: 100 })) {
    if (source.key === key) await end(lease);
    else await queue.release(lease, { owed: false });
  }
}

const CURRENT = { outcome: 'already_current', receipt: null, owed: false } as const;

function dirtyClearedAtFinish(queue: TransferQueue): TransferQueue {
  const { queue: followed, keyOf } = following(queue, {});
  return override<TransferQueue>(followed, {
    finish: async (lease, end) => {
      const answer = await followed.finish(lease, end);
      if (answer.kind !== 'finished' || answer.status !== 'queued') return answer;
      await endWithoutAttempt(queue, keyOf(lease), (next) => queue.finish(next, CURRENT));
      return { kind: 'finished', status: 'done' };
    },
  });
}

function dirtyIgnored(queue: TransferQueue): TransferQueue {
  const copying = new Set<string>();
  const { queue: followed } = following(queue, {
    claimed: ({ source }) => void copying.add(source.key),
    ended: (key) => void copying.delete(key),
  });
  return override<TransferQueue>(followed, {
    accept: async (request) => {
      const items = request.items.filter(({ source }) => !copying.has(source.key));
      const answers = [...(await followed.accept({ ...request, items }))];
      return request.items.map(
        (item) => (items.includes(item) ? answers.shift() : undefined) ?? { transferId: '', joined: true },
      );
    },
  });
}

function parkingDropsChanges(queue: TransferQueue): TransferQueue {
  const { queue: followed, keyOf } = following(queue, {});
  return override<TransferQueue>(followed, {
    park: async (lease, end) => {
      const answer = await followed.park(lease, { ...end, delayMsIfDirty: 0 });
      if (answer !== 'queued') return answer;
      await endWithoutAttempt(queue, keyOf(lease), (next) => queue.park(next, end));
      return 'parked';
    },
  });
}

/** Whoever comes with an old lease is taken for the one who has it now. */
function tokenIgnored(queue: TransferQueue): TransferQueue {
  const leases = new Map<string, Lease>();
  const latest = (lease: Lease): Lease => leases.get(lease.transferId) ?? lease;
  return override<TransferQueue>(queue, {
    claim: async (room) => {
      const claimed = await queue.claim(room);
      for (const { lease } of claimed) leases.set(lease.transferId, lease);
      return claimed;
    },
    finish: (lease, end) => queue.finish(latest(lease), end),
    retry: (lease, end) => queue.retry(latest(lease), end),
    park: (lease, end) => queue.park(latest(lease), end),
    release: (lease, end) => queue.release(latest(lease), end),
  });
}

/** A row that was taken over is done when its attempt says so; what the dead one sent may land after that. */
function noSettlingAfterTakeover(queue: TransferQueue): TransferQueue {
  const unanswered = new Set<string>();
  const { queue: followed, keyOf } = following(queue, {
    ended: (key, owed) => {
      if (owed) unanswered.add(key);
    },
  });
  return override<TransferQueue>(followed, {
    claim: async (room) => {
      const claimed = await followed.claim(room);
      const kept: ClaimedTransfer[] = [];
      for (const transfer of claimed) {
        if (!transfer.isSettling || unanswered.has(transfer.source.key)) kept.push(transfer);
        else await queue.finish(transfer.lease, CURRENT);
      }
      return kept;
    },
    finish: async (lease, end) => {
      const answer = await followed.finish(lease, end);
      if (answer.kind !== 'finished') return answer;
      if (answer.status === 'done') unanswered.delete(keyOf(lease));
      const isForgotten = answer.status === 'settling' && !unanswered.has(keyOf(lease));
      return isForgotten ? { kind: 'finished', status: 'done' } : answer;
    },
  });
}

function owedForgotten(queue: TransferQueue): TransferQueue {
  return override<TransferQueue>(queue, {
    finish: (lease, end) => queue.finish(lease, { ...end, owed: false }),
    retry: (lease, end) => queue.retry(lease, { ...end, owed: false }),
    park: (lease, end) => queue.park(lease, { ...end, owed: false }),
    release: (lease, end) => queue.release(lease, { ...end, owed: false }),
  });
}

/** A stored upload goes on with whatever the source holds now. */
function sessionOfAnyVersion(queue: TransferQueue, { source, target }: Memories): TransferQueue {
  return override<TransferQueue>(queue, {
    claim: async (room) => {
      const claimed = await queue.claim(room);
      return Promise.all(
        claimed.map(async (transfer): Promise<ClaimedTransfer> => {
          const { checkpoint } = transfer;
          const look = await source.look(transfer.source, NEVER).catch(() => null);
          if (checkpoint === null || look?.kind !== 'present') return transfer;
          const there = await target.look(transfer.target, NEVER);
          const condition = there.kind === 'absent' ? 'absent' : there.object.token;
          const { state } = look;
          const metadataDigest = mapMetadata(state.metadata, 'all').digest;
          return { ...transfer, checkpoint: { ...checkpoint, state, condition, metadataDigest } };
        }),
      );
    },
  });
}

/** Mistakes at the queue, in the order of the protocol's safeguards. */
export const QUEUE_MISTAKES: readonly Planted[] = [
  {
    name: 'dirty-cleared-at-finish',
    what: '24: the dirty flag is cleared by the finish instead of the claim',
    queue: dirtyClearedAtFinish,
  },
  { name: 'lease-not-checked', what: '25: an attempt ends with any lease', queue: tokenIgnored },
  {
    name: 'no-settling-after-takeover',
    what: '26: nobody looks again after a takeover',
    queue: noSettlingAfterTakeover,
  },
  { name: 'owed-forgotten', what: '27: nobody looks again after an unanswered effect', queue: owedForgotten },
  {
    name: 'session-of-any-version',
    what: '28: an upload session goes on with the bytes of another version',
    queue: sessionOfAnyVersion,
  },
  {
    name: 'answer-before-commit',
    what: 'a change is answered before it is in the queue',
    process: (ports) => ({
      ...ports,
      queue: override<TransferQueue>(ports.queue, {
        accept: (request) => {
          ports.queue.accept(request).catch(() => {});
          return Promise.resolve(request.items.map(() => ({ transferId: '', joined: false })));
        },
      }),
    }),
  },
  { name: 'dirty-ignored', what: 'a change that arrives while copying is forgotten', queue: dirtyIgnored },
  { name: 'parking-drops-a-change', what: 'parking forgets a newer change', queue: parkingDropsChanges },
  {
    name: 'brake-ignored',
    what: 'deletes go on past the limit of the brake',
    rule: (rule) => ({ ...rule, deleteBrake: { ...rule.deleteBrake, count: 1_000 } }),
  },
  {
    name: 'brake-forgets',
    what: 'what the brake has counted, and what a person decided, is unknown to other processes',
    forgetsNotes: true,
  },
  {
    name: 'retry-without-bound',
    what: 'a transfer that keeps failing is never parked',
    maxAttempts: Number.POSITIVE_INFINITY,
  },
];
