// The metrics, under the names that dashboards and alerts rely on. Labels only take values of closed tables and of
// the configuration, so the number of series never grows with the number of objects.
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { Clock } from '../core/clock.ts';
import type { FaultCode } from '../core/faults.ts';
import type { StoreState } from '../core/store-state.ts';
import type { Outcome } from '../core/transfer.ts';
import type { ParkedClass, QueueCounts, TransferQueue } from '../core/transfer-queue.ts';
import { type AlertMetrics, createAlertMetrics } from './alert-happenings.ts';
import { createMessageIntakeMetrics, type MessageIntakeMetrics } from './message-intake-happenings.ts';
import { createMessageMetrics, type MessageMetrics } from './message-metrics.ts';
import { createOverloadMetrics, type OverloadMetrics } from './overload-metrics.ts';
import { createRunMetrics, type RunMetrics } from './run-metrics.ts';

type ChangeResult = 'accepted' | 'joined' | 'ignored' | 'quarantined' | 'repeated';

/** From seconds, which is what is promised, to hours, which is what an outage makes of it. */
const LAG_BUCKETS_SEC = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 900, 1800, 3600, 14_400, 86_400];

interface WatchedBrakes {
  list(): Promise<
    readonly { readonly rule: { readonly name: string }; readonly brake: { readonly trip: object | null } }[]
  >;
}

type WatchedQueue = Pick<TransferQueue, 'counts' | 'parkedClasses'>;

/** Counts what happens and answers the text that Prometheus reads. */
export interface Metrics extends RunMetrics {
  /** `count`: one where it is left out. */
  changeSeen(result: ChangeResult, count?: number): void;
  /** A transfer came to its end: with an outcome, or parked with a fault. */
  transferEnded(end: { readonly outcome: Outcome } | { readonly fault: FaultCode }): void;
  transferRetried(fault: FaultCode): void;
  uploadResumed(): void;
  bytesTransferred(bytes: number): void;
  /** From the change to the verified target, in milliseconds. */
  lagObserved(ruleName: string, lagMs: number): void;
  leaseLost(): void;
  workerTroubled(): void;
  readonly overload: OverloadMetrics;
  readonly alerts: AlertMetrics;
  readonly messageIntake: MessageIntakeMetrics;
  readonly messages: MessageMetrics;
  /** The backlog is asked from this queue at every scrape. */
  watchQueue(queue: WatchedQueue): void;
  /** The delete brakes are asked from here at every scrape. */
  watchBrakes(brakes: WatchedBrakes): void;
  /** The state of the stores is asked here at every scrape. */
  watchStores(states: () => readonly StoreState[]): void;
  render(): Promise<{ readonly contentType: string; readonly text: string }>;
}

/** What is counted of the business events of transfers. */
export type HappeningMetrics = Pick<
  Metrics,
  | 'changeSeen'
  | 'transferEnded'
  | 'transferRetried'
  | 'uploadResumed'
  | 'bytesTransferred'
  | 'lagObserved'
  | 'leaseLost'
  | 'workerTroubled'
>;

/** A registry of its own, so that several services can live in one process. */
export function createMetrics(deps: { readonly version: string; readonly clock: Clock }): Metrics {
  const registry = new Registry();
  const registers = [registry];
  // The delay of the event loop is looked at twenty times a second: a hundred times is most of what an idle service does.
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: 50 });
  new Gauge({
    name: 'replicator_build_info',
    help: 'Always 1; the label tells the version.',
    labelNames: ['version'],
    registers,
  }).set({ version: deps.version }, 1);
  const counters = createCounters(registry);
  const lag = new Histogram({
    name: 'replicator_replication_lag_seconds',
    help: 'Seconds from the change of the source object, else from its acceptance, to the verified target.',
    labelNames: ['rule'],
    buckets: LAG_BUCKETS_SEC,
    registers,
  });
  const showBacklog = createBacklogGauges(registry, deps.clock);
  const showBrakes = createBrakeGauge(registry);
  let watched: WatchedQueue | null = null;
  let watchedBrakes: WatchedBrakes | null = null;
  const showStores = createStoreGauges(registry, deps.clock);
  let storeStates: () => readonly StoreState[] = () => [];
  return {
    ...createRunMetrics(registry),
    changeSeen: (result, count = 1) => counters.changes.inc({ result }, count),
    transferEnded: (end) => {
      // An empty label is the same as none: a series has either an outcome or a fault.
      if ('outcome' in end) counters.transfers.inc({ outcome: end.outcome, fault: '' });
      else counters.transfers.inc({ outcome: '', fault: end.fault });
    },
    transferRetried: (fault) => counters.retries.inc({ fault }),
    uploadResumed: () => counters.resumed.inc(),
    bytesTransferred: (bytes) => counters.bytes.inc(bytes),
    lagObserved: (rule, lagMs) => lag.observe({ rule }, lagMs / 1000),
    leaseLost: () => counters.leasesLost.inc(),
    workerTroubled: () => counters.workerErrors.inc(),
    overload: createOverloadMetrics(registry),
    alerts: createAlertMetrics(registry),
    messageIntake: createMessageIntakeMetrics(registry),
    messages: createMessageMetrics(registry),
    watchQueue: (queue) => {
      watched = queue;
    },
    watchBrakes: (brakes) => {
      watchedBrakes = brakes;
    },
    watchStores: (states) => {
      storeStates = states;
    },
    render: async () => {
      showStores(storeStates());
      if (watched !== null) await showBacklog(watched);
      if (watchedBrakes !== null) await showBrakes(watchedBrakes);
      return { contentType: registry.contentType, text: await registry.metrics() };
    },
  };
}

function createCounters(registry: Registry) {
  const registers = [registry];
  return {
    changes: new Counter({
      name: 'replicator_changes_total',
      help: 'Changes by what became of them.',
      labelNames: ['result'],
      registers,
    }),
    transfers: new Counter({
      name: 'replicator_transfers_total',
      help: 'Transfers that ended: by outcome, or parked by fault.',
      labelNames: ['outcome', 'fault'],
      registers,
    }),
    retries: new Counter({
      name: 'replicator_retries_total',
      help: 'Failed attempts that are tried again, by fault.',
      labelNames: ['fault'],
      registers,
    }),
    resumed: new Counter({
      name: 'replicator_uploads_resumed_total',
      help: 'Uploads that went on where they had stopped.',
      registers,
    }),
    bytes: new Counter({
      name: 'replicator_transferred_bytes_total',
      help: 'Object bytes sent to the target.',
      registers,
    }),
    leasesLost: new Counter({
      name: 'replicator_leases_lost_total',
      help: 'Attempts whose transfer was taken over by another worker.',
      registers,
    }),
    workerErrors: new Counter({
      name: 'replicator_worker_errors_total',
      help: 'Errors of the worker itself, such as a queue that does not answer.',
      registers,
    }),
  };
}

/** The gauges of the backlog, and the function that asks a queue and sets them. */
function createBacklogGauges(registry: Registry, clock: Clock) {
  const registers = [registry];
  const backlog = new Gauge({
    name: 'replicator_backlog_transfers',
    help: 'Transfers that are not done, by status.',
    labelNames: ['status'],
    registers,
  });
  const parked = new Gauge({
    name: 'replicator_parked_transfers',
    help: 'Parked transfers by fault.',
    labelNames: ['fault'],
    registers,
  });
  const oldest = new Gauge({
    name: 'replicator_oldest_pending_seconds',
    help: 'Age of the oldest change that work goes on for, parked ones not included; 0 where there is none.',
    registers,
  });
  const quarantined = new Gauge({
    name: 'replicator_quarantined_records',
    help: 'Records that could not be understood and are kept.',
    registers,
  });
  const answers = new Gauge({
    name: 'replicator_queue_answers',
    help: '1 where the queue answered this scrape, 0 where it did not and the backlog is unknown.',
    registers,
  });
  return async (queue: WatchedQueue): Promise<void> => {
    let counts: QueueCounts | null;
    let classes: readonly ParkedClass[] = [];
    try {
      counts = await queue.counts();
      classes = await queue.parkedClasses();
    } catch {
      // The scrape itself tells it: the other metrics matter most when the queue is in trouble.
      counts = null;
    }
    answers.set(counts === null ? 0 : 1);
    backlog.reset();
    parked.reset();
    // A gauge without labels cannot be taken away; NaN is how Prometheus says unknown.
    oldest.set(counts === null ? Number.NaN : ageSec(counts.oldestPendingChangeAtMs, clock));
    quarantined.set(counts === null ? Number.NaN : counts.quarantined);
    for (const [status, count] of Object.entries(counts?.byStatus ?? {})) backlog.set({ status }, count);
    for (const { faultCode, count } of classes) parked.inc({ fault: faultCode }, count);
  };
}

function createBrakeGauge(registry: Registry) {
  const tripped = new Gauge({
    name: 'replicator_delete_brake_tripped',
    help: '1 where mirrored deletes of the rule are held until a person releases or rejects them.',
    labelNames: ['rule'],
    registers: [registry],
  });
  return async (brakes: WatchedBrakes): Promise<void> => {
    tripped.reset();
    try {
      for (const { rule, brake } of await brakes.list()) {
        tripped.set({ rule: rule.name }, brake.trip === null ? 0 : 1);
      }
    } catch {
      // No value says that it is not known; replicator_queue_answers tells why.
    }
  };
}

/** The gauges of the two stores, and the function that sets them. */
function createStoreGauges(registry: Registry, clock: Clock) {
  const shared = { labelNames: ['store'], registers: [registry] };
  const up = new Gauge({
    name: 'replicator_store_up',
    help: '1 while the store answers, 0 while transfers wait for it.',
    ...shared,
  });
  const downFor = new Gauge({
    name: 'replicator_store_down_seconds',
    help: 'For how long the store has been down; 0 while it answers.',
    ...shared,
  });
  const limit = new Gauge({
    name: 'replicator_store_concurrency_limit',
    help: 'Attempts that may run at once as far as this store goes: 32 at first, more while the process idles, fewer when it asks for fewer requests.',
    ...shared,
  });
  return (states: readonly StoreState[]): void => {
    for (const { store, down, concurrencyLimit } of states) {
      up.set({ store }, down === null ? 1 : 0);
      downFor.set({ store }, ageSec(down?.sinceMs ?? null, clock));
      limit.set({ store }, concurrencyLimit);
    }
  };
}

function ageSec(sinceMs: number | null, clock: Clock): number {
  return sinceMs === null ? 0 : Math.max(0, clock.nowMs() - sinceMs) / 1000;
}
