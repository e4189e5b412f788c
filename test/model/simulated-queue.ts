// The queue as one process reaches it, and the ledger of what it promised: which changes were taken, whether anybody
// looked after them, and how often an attempt failed.
import type { ClaimedTransfer, Lease, TransferQueue } from '../../src/core/transfer-queue.ts';
import type { Trouble, Wire } from './network.ts';
import { override } from './override.ts';
import type { Process } from './scheduler.ts';
import { Violation } from './versions.ts';

type KeyStatus = 'pending' | 'parked' | 'done';

interface KeyEntry {
  status: KeyStatus;
  acceptedAtStep: number;
  claimedAtStep: number;
  /** Counted failures since the last change or finished attempt. */
  failureCount: number;
}

/** What one service's queue knows of each key, kept apart from the queue. */
export class Ledger {
  readonly #network: Wire;
  readonly #maxAttempts: number;
  readonly #entries = new Map<string, KeyEntry>();
  readonly #keyByTransferId = new Map<string, string>();
  readonly #latestTokens = new Map<string, number>();

  constructor(network: Wire, maxAttempts: number) {
    this.#network = network;
    this.#maxAttempts = maxAttempts;
  }

  status(key: string): KeyStatus {
    return this.#entries.get(key)?.status ?? 'done';
  }

  /** Keys whose transfer is neither done nor parked. */
  get hasPending(): boolean {
    return [...this.#entries.values()].some(({ status }) => status === 'pending');
  }

  /** What later checks of the key depend on, as text. */
  describe(key: string): string {
    const { status, acceptedAtStep, claimedAtStep, failureCount } = this.#entry(key);
    return `${status} ${claimedAtStep < acceptedAtStep} ${failureCount}`;
  }

  accepted(keys: readonly string[]): void {
    for (const key of keys) {
      const entry = this.#entry(key);
      entry.status = 'pending';
      entry.acceptedAtStep = this.#step;
      entry.failureCount = 0;
    }
  }

  claimed(transfers: readonly ClaimedTransfer[]): void {
    for (const { lease, source } of transfers) {
      this.#keyByTransferId.set(lease.transferId, source.key);
      this.#latestTokens.set(lease.transferId, lease.token);
      this.#entry(source.key).claimedAtStep = this.#step;
    }
  }

  /** An attempt ended under its lease. I1: nothing may rest that nobody looked at since the last accepted change. */
  ended(lease: Lease, status: string): string {
    const key = this.#requireCurrent(lease);
    const entry = this.#entry(key);
    if (status === 'done' || status === 'parked') entry.status = status;
    if (status !== 'parked') entry.failureCount = 0;
    if (entry.status !== 'pending' && entry.claimedAtStep < entry.acceptedAtStep) {
      throw new Violation('I1', `${key} is ${status}, but nobody looked since its last accepted change`);
    }
    return key;
  }

  /** I7: a transfer that keeps failing is parked. */
  failed(lease: Lease, isCounted: boolean): void {
    const key = this.#requireCurrent(lease);
    const entry = this.#entry(key);
    if (isCounted) entry.failureCount += 1;
    if (entry.failureCount >= this.#maxAttempts) {
      throw new Violation(
        'I7',
        `${key} failed ${entry.failureCount} times and is tried again; ${this.#maxAttempts} are allowed`,
      );
    }
  }

  /** I5: what an attempt says counts only while nobody else has claimed the transfer. Returns the key. */
  #requireCurrent({ transferId, token }: Lease): string {
    const latest = this.#latestTokens.get(transferId);
    if (latest !== token) {
      throw new Violation('I5', `lease ${token} of ${transferId} ended what lease ${latest} is working on`);
    }
    return this.#keyByTransferId.get(transferId) ?? '';
  }

  get #step(): number {
    return this.#network.scheduler.stepCount;
  }

  #entry(key: string): KeyEntry {
    const known = this.#entries.get(key);
    if (known !== undefined) return known;
    const entry: KeyEntry = { status: 'done', acceptedAtStep: 0, claimedAtStep: 0, failureCount: 0 };
    this.#entries.set(key, entry);
    return entry;
  }
}

interface QueueOptions {
  readonly network: Wire;
  readonly process: Process;
  /** The queue itself. */
  readonly store: TransferQueue;
  readonly ledger: Ledger;
  /** Told when changes are in the queue, before anybody is answered. */
  readonly onAccepted: (keys: readonly string[]) => void;
  /** Told where a transfer ends because no rule covers its object. */
  readonly onSkipped: (key: string) => void;
  /** Runs a check and keeps its violation. */
  readonly judge: (check: () => void) => void;
  /** Given the function that ends a subscription, for when the process dies. */
  readonly onListening: (end: () => void) => void;
}

type Send = <Answer>(
  op: keyof TransferQueue,
  asks: unknown,
  name: () => string,
  show: (answer: Answer) => string,
  perform: () => Promise<Answer>,
) => Promise<Answer>;

/** The queue as `process` reaches it. */
export function simulateQueue(options: QueueOptions): TransferQueue {
  const { network, process, store, onListening } = options;
  const { scheduler } = network;
  const send: Send = (op, asks, name, show, perform) =>
    network.send({ process, signal: null, op, asks, isEffect: true, name, show, perform, troubled });
  return override<TransferQueue>(store, {
    ...simulateWork(options, send),
    ...simulateEnds(options, send),
    onWork: (listener) => {
      const end = store.onWork(() => {
        network.heardOfWork?.(process);
        if (process.pausedUntilMs <= scheduler.nowMs) listener();
        else scheduler.schedule({ receiver: process, delayMs: 0, run: listener });
      });
      onListening(end);
      return end;
    },
  });
}

function simulateWork(options: QueueOptions, send: Send): Partial<TransferQueue> {
  const { store, ledger, onAccepted } = options;
  return {
    accept: (request) =>
      send(
        'accept',
        request.items,
        () => `accepts ${request.items.map(({ source }) => source.key).join()}`,
        (answer) => answer.map(({ transferId }) => transferId).join(),
        async () => {
          const answer = await store.accept(request);
          const keys = request.items.map(({ source }) => source.key);
          ledger.accepted(keys);
          onAccepted(keys);
          return answer;
        },
      ),
    claim: (room) =>
      send(
        'claim',
        room,
        () => 'claims',
        showClaims,
        async () => {
          const claimed = await store.claim(room);
          ledger.claimed(claimed);
          return claimed;
        },
      ),
    renew: (lease) =>
      send(
        'renew',
        lease,
        () => `renews ${lease.transferId}`,
        (renewed) => (renewed === null ? 'lost' : 'renewed'),
        () => store.renew(lease),
      ),
    progress: (lease, report) =>
      send(
        'progress',
        [lease, report],
        () => `notes ${report.bytesDone} bytes of ${lease.transferId}`,
        String,
        () => store.progress(lease, report),
      ),
  };
}

function simulateEnds({ store, ledger, judge, onSkipped }: QueueOptions, send: Send): Partial<TransferQueue> {
  return {
    finish: (lease, end) =>
      send(
        'finish',
        [lease, end],
        () => `finishes ${lease.transferId} as ${end.outcome}${end.owed ? ', owed' : ''}`,
        (answer) => (answer.kind === 'finished' ? answer.status : answer.kind),
        async () => {
          const answer = await store.finish(lease, end);
          if (answer.kind === 'finished') {
            judge(() => {
              const key = ledger.ended(lease, answer.status);
              if (end.outcome === 'skipped') onSkipped(key);
            });
          }
          return answer;
        },
      ),
    retry: (lease, end) =>
      send(
        'retry',
        [lease, end],
        () =>
          `gives ${lease.transferId} back for ${end.fault.code}${end.owed ? ', owed' : ''}, due in ${end.delayMs} ms`,
        String,
        async () => {
          const isOurs = await store.retry(lease, end);
          if (isOurs) judge(() => ledger.failed(lease, end.countsAsAttempt));
          return isOurs;
        },
      ),
    park: (lease, end) =>
      send(
        'park',
        [lease, end],
        () => `parks ${lease.transferId} for ${end.fault.code}${end.owed ? ', owed' : ''}`,
        String,
        async () => {
          const answer = await store.park(lease, end);
          if (answer !== 'lease_lost') judge(() => ledger.ended(lease, answer));
          return answer;
        },
      ),
    release: (lease, end) =>
      send(
        'release',
        [lease, end],
        () => `releases ${lease.transferId}${end.owed ? ', owed' : ''}`,
        String,
        () => store.release(lease, end),
      ),
  };
}

function troubled(trouble: Trouble): never {
  throw new Error(trouble === 'refused' ? 'The queue refused' : 'The queue did not answer');
}

function showClaims(claimed: readonly ClaimedTransfer[]): string {
  if (claimed.length === 0) return 'nothing';
  return claimed
    .map(({ lease, source, isSettling, isOwed }) => {
      const traits = `${isSettling ? ', settling' : ''}${isOwed ? ', owed' : ''}`;
      return `${lease.transferId} (${source.key}${traits}, lease ${lease.token})`;
    })
    .join();
}
