// The metrics of backfills and reconciles. Labels take values of the configuration and of closed tables only.
import { Counter, Gauge, type Registry } from 'prom-client';
import type { Outcome } from '../core/transfer.ts';

export interface RunMetrics {
  differencesFound(ruleName: string, kind: 'missing' | 'different' | 'orphan', count: number): void;
  differenceHealed(outcome: Outcome): void;
  /** A reconcile read everything, and all that it fed has ended. Unix milliseconds. */
  reconcileCompleted(ruleName: string, atMs: number): void;
}

/** Registers them. */
export function createRunMetrics(registry: Registry): RunMetrics {
  const registers = [registry];
  const differences = new Counter({
    name: 'replicator_reconcile_differences_total',
    help: 'Objects that reconciles found missing at the target, different there, or only there, while nothing was under way for them.',
    labelNames: ['rule', 'kind'],
    registers,
  });
  const healed = new Counter({
    name: 'replicator_healed_total',
    help: 'Transfers that a reconcile asked for and that did change the target. In the first reconcile of a rule these are also objects from before; later, lost changes.',
    labelNames: ['outcome'],
    registers,
  });
  const completed = new Gauge({
    name: 'replicator_reconcile_last_completed_timestamp_seconds',
    help: 'When the last complete reconcile of the rule ended, in Unix seconds.',
    labelNames: ['rule'],
    registers,
  });
  return {
    differencesFound: (rule, kind, count) => differences.inc({ rule, kind }, count),
    differenceHealed: (outcome) => healed.inc({ outcome }),
    reconcileCompleted: (rule, atMs) => completed.set({ rule }, atMs / 1000),
  };
}
