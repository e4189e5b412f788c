// Alerting put together: what is looked at, who is told, and the counts that it rests on.
import { randomUUID } from 'node:crypto';
import type { Config, Secrets } from '../config/config.ts';
import type { MessageQueueTrouble } from '../core/message-intake.ts';
import type { QueueStorage } from '../core/queue-storage.ts';
import type { StoreSeen } from '../replication/alert-conditions.ts';
import { type Alerts, startAlerts } from '../replication/alerts.ts';
import type { HeldDeletes } from '../replication/held-deletes.ts';
import type { IntakeGate } from '../replication/intake-gate.ts';
import type { LagTally } from '../replication/lag-tally.ts';
import { SYSTEM_CLOCK as clock, SYSTEM_RANDOM as random } from '../system-clock.ts';
import { createAlertHappenings } from '../telemetry/alert-happenings.ts';
import { openAlertWebhook } from '../telemetry/alert-webhook.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { Metrics } from '../telemetry/metrics.ts';

interface AlertParts {
  readonly config: Config;
  readonly secrets: Secrets;
  readonly version: string;
  readonly queue: QueueStorage;
  readonly gate: IntakeGate;
  readonly tally: LagTally;
  readonly heldDeletes: HeldDeletes;
  readonly storeStates: () => readonly StoreSeen[];
  readonly messageQueueTrouble: () => MessageQueueTrouble | null;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** Begins to look and to tell; both end with `opened`. */
export function openAlerts(parts: AlertParts, opened: AsyncDisposableStack): Alerts {
  const { config, secrets, version, queue, gate, tally, heldDeletes, storeStates, logger, metrics } = parts;
  const address = secrets.alertWebhook;
  const sink =
    address === null
      ? null
      : opened.adopt(openAlertWebhook({ address: address.reveal(), version, clock }), (open) => open.close());
  const alerts = startAlerts({
    queue,
    notes: queue.notes,
    leadership: queue.leadership,
    processId: randomUUID(),
    clock,
    random,
    happenings: createAlertHappenings({ logger, metrics }),
    tally,
    objectiveMs: config.lagObjectiveMs,
    stores: storeStates,
    messageQueue: parts.messageQueueTrouble,
    brakes: async () =>
      (await heldDeletes.list()).map(({ brake: { ruleName, trip } }) => ({ ruleName, trip })),
    diskProblem: () => gate.hostTroubles.find(({ reason }) => reason === 'disk_reserve')?.detail ?? null,
    sink,
    service: { version, url: config.http.publicUrl },
  });
  opened.defer(() => alerts.stop());
  metrics.alerts.watch(() => alerts.active().map(({ alert }) => alert.kind));
  return alerts;
}
