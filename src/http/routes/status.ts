// GET /v1/status and GET /metrics for people and programs with a key; GET /healthz and GET /readyz for anybody,
// which tell yes or no and nothing else.
import { z } from 'zod';
import type { MessageIntakeState } from '../../core/message-intake.ts';
import type { HttpApp, RouteDeps } from '../http-deps.ts';
import { faultToJson, FaultSchema, isoTime } from '../transfer-json.ts';

const StoreSchema = z
  .object({
    store: z.enum(['source', 'target']),
    down: z
      .object({
        since: z.string().meta({ format: 'date-time' }),
        fault: FaultSchema.describe('The latest failure.'),
      })
      .nullable()
      .meta({ description: 'null while the store answers. While it is down, transfers wait for it.' }),
    concurrencyLimit: z.number().meta({
      description:
        'Attempts that may run at once: 32 at first, more while the process idles, fewer when the store asks for fewer requests.',
    }),
  })
  .meta({ id: 'Store' });

const SqsSchema = z
  .object({
    queueUrl: z.string(),
    trouble: z
      .object({ since: z.string().meta({ format: 'date-time' }), fault: FaultSchema })
      .nullable()
      .meta({ description: 'null while the queue can be used; else its latest failure.' }),
    pause: z
      .object({
        since: z.string().meta({ format: 'date-time' }),
        reason: z.enum(['disk_reserve', 'event_loop', 'queue']),
        detail: z.string(),
      })
      .nullable()
      .meta({ description: 'Why no messages are asked for, although the queue can be used.' }),
    inHand: z.number().meta({ description: 'Messages received and neither acknowledged nor given back.' }),
    lastMessageAt: z.string().meta({ format: 'date-time' }).nullable(),
    waiting: z
      .number()
      .nullable()
      .meta({ description: 'About how many messages wait in the queue; null where it does not tell.' }),
  })
  .meta({ id: 'SqsIntake' });

const StatusSchema = z
  .object({
    version: z.string(),
    startedAt: z.string().meta({ format: 'date-time' }),
    uptimeMs: z.number(),
    auth: z.enum(['keys', 'none', 'loopback']).meta({
      description: 'none: authentication was switched off; loopback: no keys, only this machine is answered.',
    }),
    counts: z.object({
      queued: z.number(),
      copying: z.number(),
      settling: z.number(),
      parked: z.number(),
      quarantined: z.number(),
    }),
    oldestPending: z
      .object({ changeAt: z.string().meta({ format: 'date-time' }), ageMs: z.number() })
      .nullable()
      .meta({ description: 'The oldest change that is not covered yet; null where nothing waits.' }),
    load: z
      .object({
        requests: z.number().meta({ description: 'Requests being answered.' }),
        bodyBytes: z.number().meta({ description: 'Bytes of their bodies.' }),
        waitingChanges: z.number().meta({ description: 'Changes on their way to the disk.' }),
        eventLoopLagMs: z
          .number()
          .meta({ description: 'The longest delay of the process in the last second.' }),
        freeDiskBytes: z.number().nullable().meta({ description: 'null where the system does not tell.' }),
      })
      .meta({ description: 'What is under way, against the bounds of intake.' }),
    refusing: z
      .array(z.object({ reason: z.enum(['disk_reserve', 'event_loop']), detail: z.string() }))
      .meta({ description: 'Why changes are refused now; empty where they are accepted.' }),
    stores: z.array(StoreSchema).meta({ description: 'As seen by the requests of the transfers.' }),
    sqs: SqsSchema.nullable().meta({
      description: 'The queue that changes are received from; null where none is configured.',
    }),
    ready: z.boolean(),
    checks: z.array(z.object({ name: z.string(), isOk: z.boolean(), detail: z.string().nullable() })),
  })
  .meta({ id: 'Status' });

const HealthSchema = z.object({ status: z.enum(['ok', 'ready', 'not_ready']) });

export function registerStatusRoutes(app: HttpApp, deps: RouteDeps): void {
  app.route({
    method: 'GET',
    url: '/v1/status',
    config: { scope: 'read', answersUnderOverload: true },
    schema: {
      operationId: 'getStatus',
      tags: ['service'],
      summary: 'Show counts, age of the backlog and state of the service',
      description:
        'Counts are of live transfers; finished ones are in the list and in the metrics. A store that is down ' +
        'is named with the time since when and the reason; the service stays ready, since changes are accepted.',
      response: { 200: StatusSchema.describe('The service now.') },
    },
    handler: async () => statusNow(deps),
  });
  app.route({
    method: 'GET',
    url: '/metrics',
    config: { scope: 'read', answersUnderOverload: true },
    schema: {
      operationId: 'getMetrics',
      tags: ['service'],
      summary: 'Metrics for Prometheus',
      description: 'Text in the format that the Content-Type names.',
      response: { 200: { description: 'All metrics.', content: { 'text/plain': { schema: z.string() } } } },
    },
    handler: async (_request, reply) => {
      const { contentType, text } = await deps.metrics();
      return reply.header('content-type', contentType).serializer(String).send(text);
    },
  });
}

export function registerHealthRoutes(app: HttpApp, deps: RouteDeps): void {
  app.route({
    method: 'GET',
    url: '/healthz',
    config: { scope: 'open', answersUnderOverload: true },
    schema: {
      operationId: 'health',
      tags: ['service'],
      summary: 'Is the process alive?',
      description: 'Looks at nothing else.',
      response: { 200: HealthSchema.describe('It is.') },
    },
    handler: async () => ({ status: 'ok' as const }),
  });
  app.route({
    method: 'GET',
    url: '/readyz',
    config: { scope: 'open', answersUnderOverload: true },
    schema: {
      operationId: 'readiness',
      tags: ['service'],
      summary: 'Can it take requests?',
      description: 'Tells no details; /v1/status has them.',
      response: { 200: HealthSchema.describe('Yes.'), 503: HealthSchema.describe('No.') },
    },
    handler: async (request, reply) => {
      const isReady = await readiness(deps, request.id);
      return reply.code(isReady ? 200 : 503).send({ status: isReady ? 'ready' : 'not_ready' });
    },
  });
}

async function readiness(deps: RouteDeps, requestId: string): Promise<boolean> {
  if (deps.closing.aborted) return false;
  try {
    return (await deps.isReady()).ready;
  } catch (err) {
    // A check that fails is an answer here: a balancer must read "no", not an error of the service.
    deps.logger.error({ err, requestId }, 'the readiness check itself failed');
    return false;
  }
}

async function statusNow(deps: RouteDeps): Promise<z.output<typeof StatusSchema>> {
  const nowMs = deps.clock.nowMs();
  const [counts, readinessNow] = await Promise.all([deps.queue.counts(), deps.isReady()]);
  const { byStatus, quarantined, oldestPendingChangeAtMs } = counts;
  const { queued, copying, settling, parked } = byStatus;
  const { freeDiskBytes, loopLagMs } = deps.hostState();
  return {
    version: deps.version,
    startedAt: isoTime(deps.startedAtMs),
    uptimeMs: nowMs - deps.startedAtMs,
    auth: deps.auth,
    counts: { queued, copying, settling, parked, quarantined },
    oldestPending:
      oldestPendingChangeAtMs === null
        ? null
        : {
            changeAt: isoTime(oldestPendingChangeAtMs),
            ageMs: Math.max(0, nowMs - oldestPendingChangeAtMs),
          },
    load: { ...deps.gate.load, eventLoopLagMs: Math.round(loopLagMs), freeDiskBytes },
    refusing: deps.gate.hostTroubles.map(({ reason, detail }) => ({ reason, detail })),
    stores: deps.storeStates().map(({ store, down, concurrencyLimit }) => ({
      store,
      down: down === null ? null : { since: isoTime(down.sinceMs), fault: faultToJson(down.fault) },
      concurrencyLimit,
    })),
    sqs: sqsNow(deps.messageIntake()),
    ready: readinessNow.ready,
    checks: readinessNow.checks.map(({ name, isOk, detail }) => ({ name, isOk, detail })),
  };
}

function sqsNow(state: MessageIntakeState | null): z.output<typeof SqsSchema> | null {
  if (state === null) return null;
  const { queueUrl, trouble, pause, inHand, receivedAtMs, waiting } = state;
  return {
    queueUrl,
    trouble: trouble === null ? null : { since: isoTime(trouble.sinceMs), fault: faultToJson(trouble.fault) },
    pause:
      pause === null ? null : { since: isoTime(pause.sinceMs), reason: pause.reason, detail: pause.detail },
    inHand,
    lastMessageAt: receivedAtMs === null ? null : isoTime(receivedAtMs),
    waiting,
  };
}
