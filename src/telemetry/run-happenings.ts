// What backfills and reconciles tell, as log lines and metrics, each at once. One line for each change of a run's
// state, none for a page or an object.
import { FAULTS, type Fault } from '../core/faults.ts';
import type { RunHappenings, RunRef } from '../core/run-happenings.ts';
import type { Logger } from './logger.ts';
import type { RunMetrics } from './run-metrics.ts';

const ENDED_TEXT = {
  completed: 'run completed',
  failed: 'run failed',
  cancelled: 'run cancelled: what it fed goes on',
} as const;

/** Writes each event to the log and counts it. */
export function createRunHappenings(deps: {
  readonly logger: Logger;
  readonly metrics: RunMetrics;
}): RunHappenings {
  const { logger, metrics } = deps;
  return {
    runStarted: (event) => {
      const { buckets, prefix, trigger } = event;
      logger.info(
        { ...factsOf(event), ...(buckets === null ? {} : { buckets }), prefix, trigger },
        'run started',
      );
    },
    runResumed: (event) => {
      logger.info({ ...factsOf(event), listed: event.listed }, 'run resumed: goes on where it was');
    },
    runPaused: (event) => {
      const { fault, retryInMs } = event;
      logger.warn(
        { ...factsOf(event), ...factsOfFault(fault), retryInMs },
        'run paused: tried again until it goes on',
      );
    },
    runContinued: (event) => {
      logger.info(factsOf(event), 'run continued');
    },
    differencesFound: (event) => {
      const { ruleName, missing, different, orphans } = event;
      if (missing > 0) metrics.differencesFound(ruleName, 'missing', missing);
      if (different > 0) metrics.differencesFound(ruleName, 'different', different);
      if (orphans > 0) metrics.differencesFound(ruleName, 'orphan', orphans);
    },
    differenceHealed: (event) => {
      const { transferId, outcome } = event;
      metrics.differenceHealed(outcome);
      logger.warn(
        { ...factsOf(event), transferId, outcome },
        'healed: a reconcile found the target different and had it put right',
      );
    },
    reconcileKnown: ({ ruleName, completedAtMs }) => metrics.reconcileCompleted(ruleName, completedAtMs),
    runEnded: (event) => {
      const { kind, ruleName, state, counts, fault, durationMs, endedAtMs } = event;
      if (kind === 'reconcile' && state === 'completed') metrics.reconcileCompleted(ruleName, endedAtMs);
      const facts = {
        ...factsOf(event),
        ...counts,
        durationMs,
        ...(fault === null ? {} : { ...factsOfFault(fault), remedy: FAULTS[fault.code].remedy }),
      };
      if (state === 'failed') logger.error(facts, ENDED_TEXT[state]);
      else logger.info(facts, ENDED_TEXT[state]);
    },
  };
}

function factsOf({ runId, kind, ruleName }: RunRef) {
  return { runId, run: kind, rule: ruleName };
}

function factsOfFault({ code, message }: Fault) {
  return { fault: code, title: FAULTS[code].title, reason: message };
}
