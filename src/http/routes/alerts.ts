// GET /v1/alerts: what is wrong now. POST /v1/alerts/test: does a message arrive?
import { z } from 'zod';
import { ALERT_KINDS } from '../../core/alert.ts';
import type { ActiveAlert } from '../../replication/alerts.ts';
import type { HttpApp, RouteDeps } from '../http-deps.ts';
import { RequestProblem } from '../problem.ts';
import { FAULT_CODES, isoTime } from '../transfer-json.ts';

const AlertSchema = z
  .object({
    key: z.string().meta({ description: 'The same as long as it is the same trouble.' }),
    kind: z.enum(ALERT_KINDS),
    rule: z.string().nullable(),
    fault: z.enum(FAULT_CODES).nullable(),
    store: z.enum(['source', 'target']).nullable(),
    title: z.string(),
    detail: z.string(),
    remedy: z.string(),
    count: z.number().nullable(),
    since: z.string().meta({ format: 'date-time' }),
    lastSentAt: z
      .string()
      .nullable()
      .meta({ format: 'date-time', description: 'When its last message arrived; null where none did.' }),
    sentCount: z.number(),
  })
  .meta({ id: 'Alert' });

const AlertsAnswer = z
  .object({
    alerts: z.array(AlertSchema),
    receiver: z
      .object({
        origin: z
          .string()
          .meta({ description: 'Scheme, host and port; the rest of the address is a secret.' }),
        failure: z.string().nullable().meta({ description: 'Why the last delivery failed, or null.' }),
      })
      .nullable()
      .meta({ description: 'null where ALERT_WEBHOOK_URL is not set.' }),
  })
  .meta({ id: 'AlertsAnswer' });

const TestAnswer = z
  .object({ delivered: z.literal(true), origin: z.string() })
  .meta({ id: 'AlertTestAnswer' });

export function registerAlertRoutes(app: HttpApp, deps: RouteDeps): void {
  app.route({
    method: 'GET',
    url: '/v1/alerts',
    config: { scope: 'read', answersUnderOverload: true },
    schema: {
      operationId: 'listAlerts',
      tags: ['service'],
      summary: 'List what is wrong now',
      description:
        'What has lasted for half a minute or longer, with what a person can do about it. It is looked for every ten seconds.',
      response: { 200: AlertsAnswer.describe('All alerts that last.') },
    },
    handler: async () => ({
      alerts: deps.alerts.active().map(alertToJson),
      receiver: deps.alerts.receiver(),
    }),
  });
  app.route({
    method: 'POST',
    url: '/v1/alerts/test',
    config: { scope: 'admin', allowsEmptyBody: true },
    schema: {
      operationId: 'testAlerts',
      tags: ['service'],
      summary: 'Send a test message to the receiver of alerts',
      description: 'Sends once and answers whether it arrived.',
      response: { 200: TestAnswer.describe('The receiver took it.') },
    },
    handler: async () => {
      const receiver = deps.alerts.receiver();
      const delivery = await deps.alerts.sendTest(deps.closing);
      if (receiver === null || delivery === null)
        throw new RequestProblem('no_alert_receiver', 'ALERT_WEBHOOK_URL is not set.');
      if (delivery.kind === 'failed') throw new RequestProblem('alert_not_delivered', `${delivery.reason}.`);
      return { delivered: true as const, origin: receiver.origin };
    },
  });
}

function alertToJson({ alert, sentAtMs, sentCount }: ActiveAlert): z.output<typeof AlertSchema> {
  const { key, kind, ruleName, faultCode, store, title, detail, remedy, count, sinceMs } = alert;
  return {
    key,
    kind,
    rule: ruleName,
    fault: faultCode,
    store,
    title,
    detail,
    remedy,
    count,
    since: isoTime(sinceMs),
    lastSentAt: sentAtMs === null ? null : isoTime(sentAtMs),
    sentCount,
  };
}
