// Metrics of load and overload, and the log lines of their beginning and end: one line per change of state, however
// many requests are refused meanwhile.
import { Counter, Gauge, type Registry } from 'prom-client';
import type { OverloadHappenings, RefusalReason } from '../core/overload.ts';
import type { Logger } from './logger.ts';

interface LoadNow {
  /** Null where the system does not tell. */
  readonly freeDiskBytes: number | null;
  readonly loopLagMs: number;
  readonly requests: number;
  readonly bodyBytes: number;
}

export interface OverloadMetrics {
  refused(reason: RefusalReason): void;
  /** Asked at every scrape. */
  watch(read: () => LoadNow): void;
}

/** Registers the metrics of load. */
export function createOverloadMetrics(registry: Registry): OverloadMetrics {
  const registers = [registry];
  let read: (() => LoadNow) | null = null;
  const refused = new Counter({
    name: 'replicator_intake_refused_total',
    help: 'Requests that were refused with 503 or 429, or connections that were closed, by the bound that was reached.',
    labelNames: ['reason'],
    registers,
  });
  // A gauge without labels cannot be taken away; NaN is how Prometheus says unknown.
  const gauge = (name: string, help: string, valueOf: (load: LoadNow) => number | null) =>
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set((read === null ? null : valueOf(read())) ?? Number.NaN);
      },
    });
  gauge(
    'replicator_disk_free_bytes',
    'Free space on the disk of the queue.',
    ({ freeDiskBytes }) => freeDiskBytes,
  );
  gauge(
    'replicator_event_loop_lag_seconds',
    'The longest time that the process was late within the last second.',
    ({ loopLagMs }) => loopLagMs / 1000,
  );
  gauge('replicator_requests_in_flight', 'Requests being answered.', ({ requests }) => requests);
  gauge(
    'replicator_request_body_bytes',
    'Bytes of the bodies of requests being answered.',
    ({ bodyBytes }) => bodyBytes,
  );
  return {
    refused: (reason) => refused.inc({ reason }),
    watch: (asked) => {
      read = asked;
    },
  };
}

const REMEDY: Record<Exclude<RefusalReason, 'queue'>, string> = {
  requests: 'Senders come again by themselves. If it lasts, spread them over time.',
  body_bytes: 'Senders come again by themselves. If it lasts, raise MAX_MEMORY_BYTES or send less at once.',
  waiting_changes: 'Senders come again by themselves. If it lasts, the disk of the queue is too slow.',
  caller_rate:
    'The caller comes again by itself. If it lasts and is meant, raise CALLER_RATE_LIMIT; else find out what it sends.',
  connections: 'Raise the limit of open files of the process, or let senders keep fewer connections open.',
  disk_reserve: 'Free space on the disk of REPLICATOR_DATA_DIR: changes are accepted again by themselves.',
  event_loop: 'Give the process more processor time.',
};

/** By where the queue is kept. */
const QUEUE_REMEDY = {
  sqlite: 'Check the disk of REPLICATOR_DATA_DIR. Senders come again by themselves; so does the service.',
  postgres:
    'Check that the PostgreSQL server of DATABASE_URL runs and can be reached. Senders come again by themselves; so does the service.',
} as const;

/** Writes each change of state to the log, and counts every refusal. */
export function createOverloadHappenings(deps: {
  readonly logger: Logger;
  readonly metrics: { readonly overload: OverloadMetrics };
  readonly queueKind: keyof typeof QUEUE_REMEDY;
}): OverloadHappenings {
  const { logger, metrics, queueKind } = deps;
  return {
    intakeRefused: (reason) => metrics.overload.refused(reason),
    overloadBegan: ({ reason, detail, error }) => {
      const facts = {
        reason,
        detail,
        remedy: reason === 'queue' ? QUEUE_REMEDY[queueKind] : REMEDY[reason],
        ...(error === undefined ? {} : { err: error }),
      };
      if (reason === 'queue')
        logger.error(facts, 'the queue cannot store: requests are refused; what was accepted is kept');
      else logger.warn(facts, 'overload begins: requests are refused; what was accepted is kept');
    },
    overloadEnded: ({ reason, refused, durationMs }) =>
      logger.info(
        { reason, refused, durationMs: Math.round(durationMs) },
        'overload ends: requests are taken again',
      ),
    diskSpaceLow: ({ freeBytes, reserveBytes }) =>
      logger.warn(
        {
          freeBytes,
          reserveBytes,
          remedy: 'Free space before the reserve is reached: changes are refused then.',
        },
        'the disk of the queue fills up',
      ),
    diskSpaceUnknown: (error) =>
      logger.warn(
        { err: error },
        'the free space of the disk of the queue cannot be read: it is not watched',
      ),
  };
}
