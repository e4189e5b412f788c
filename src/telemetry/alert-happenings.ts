// Alerts in the log and in the metrics: one line when one begins and one when it ends, whether or not anybody is told
// elsewhere, and one when deliveries begin to fail and to succeed again.
import { Counter, Gauge, type Registry } from 'prom-client';
import { type Alert, ALERT_KINDS, type AlertHappenings, type AlertKind } from '../core/alert.ts';
import type { Logger } from './logger.ts';

export interface AlertMetrics {
  delivery(result: 'delivered' | 'failed'): void;
  /** Asked at every scrape: the kinds of the alerts that last. */
  watch(read: () => readonly AlertKind[]): void;
}

/** Registers the metrics of alerting. */
export function createAlertMetrics(registry: Registry): AlertMetrics {
  const registers = [registry];
  let read: () => readonly AlertKind[] = () => [];
  const deliveries = new Counter({
    name: 'replicator_alert_deliveries_total',
    help: 'Messages sent to ALERT_WEBHOOK_URL: delivered, or failed and tried again.',
    labelNames: ['result'],
    registers,
  });
  const active = new Gauge({
    name: 'replicator_alerts_active',
    help: 'Alerts that last now, by kind.',
    labelNames: ['kind'],
    registers,
    collect: () => {
      for (const kind of ALERT_KINDS) active.set({ kind }, 0);
      for (const kind of read()) active.inc({ kind });
    },
  });
  return {
    delivery: (result) => deliveries.inc({ result }),
    watch: (asked) => {
      read = asked;
    },
  };
}

/** Writes each change of state to the log, and counts every delivery. */
export function createAlertHappenings(deps: {
  readonly logger: Logger;
  readonly metrics: { readonly alerts: AlertMetrics };
}): AlertHappenings {
  const { logger, metrics } = deps;
  return {
    alertBegan: (alert) =>
      logger.warn(
        { ...factsOf(alert), count: alert.count, reason: alert.detail, remedy: alert.remedy },
        'alert begins',
      ),
    alertEnded: (alert) => logger.info(factsOf(alert), 'alert ends'),
    alertDelivered: () => metrics.alerts.delivery('delivered'),
    alertNotDelivered: ({ reason, isFirst }) => {
      metrics.alerts.delivery('failed');
      if (isFirst)
        logger.error(
          { reason, remedy: 'Check ALERT_WEBHOOK_URL and its receiver; messages are kept and sent again.' },
          'alerts cannot be delivered',
        );
    },
    alertSinkRecovered: ({ failureCount }) =>
      logger.info({ failures: failureCount }, 'alerts are delivered again'),
    alertingTroubled: ({ doing, error }) =>
      logger.error({ doing, err: error }, 'alerting is in trouble; it goes on with what it knows'),
  };
}

function factsOf({ key, kind, ruleName, faultCode, store, title, sinceMs }: Alert) {
  return {
    alert: key,
    kind,
    ...(ruleName === null ? {} : { rule: ruleName }),
    ...(faultCode === null ? {} : { fault: faultCode }),
    ...(store === null ? {} : { store }),
    title,
    since: new Date(sinceMs).toISOString(),
  };
}
