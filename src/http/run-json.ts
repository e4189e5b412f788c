// How a backfill or a reconcile looks in JSON, and what the routes of both do in the same way: begin, list, show, cancel.
import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { Run, RunControl } from '../replication/run.ts';
import { apiUrl } from './api-url.ts';
import type { HttpApp, RouteDeps } from './http-deps.ts';
import { RequestProblem } from './problem.ts';
import { FaultSchema, faultToJson, isoTime } from './transfer-json.ts';

/** Runs that have not ended, of one kind. */
const MAX_UNFINISHED_RUNS = 100;

const CountsSchema = z
  .object({
    listed: z.number().meta({ description: 'Source objects of the rule that were listed so far.' }),
    held: z
      .number()
      .meta({ description: 'A reconcile: objects at the target that carry our stamp, listed so far.' }),
    fed: z.number().meta({ description: 'Changes given to the queue.' }),
    pending: z.number().meta({
      description: 'A reconcile: objects that differ and that a transfer was under way for, or parked.',
    }),
    missing: z.number().meta({ description: 'Fed because the target has no such object.' }),
    different: z.number().meta({ description: 'Fed because the target has another state of it.' }),
    orphans: z.number().meta({ description: 'Fed because only the target has it.' }),
    fresh: z.number().meta({
      description: 'Fed, and changed so shortly before that the notification may still be on its way.',
    }),
    kept: z.number().meta({
      description:
        'Objects that only the target has and that stay: the rule ignores deletes, or they are not ours to delete.',
    }),
    ended: z.number().meta({ description: 'Fed transfers that have ended, parked ones included.' }),
    parked: z.number(),
    healed: z.number().meta({
      description:
        'A reconcile: transfers that did change the target. In the first reconcile of a rule also objects from before; later, changes that were lost.',
    }),
    appeared: z.number().meta({ description: 'A reconcile: missing ones that were copied by now.' }),
    outcomes: z.record(z.string(), z.number()),
  })
  .meta({ id: 'RunCounts' });

const RunSchema = z
  .object({
    id: z.string(),
    rule: z.string(),
    buckets: z.array(z.string()).optional().meta({ description: 'Left out until they are known.' }),
    prefix: z.string(),
    state: z.enum(['waiting', 'listing', 'draining', 'completed', 'failed', 'cancelled']).meta({
      description: 'draining: everything is listed, and transfers that it fed are under way.',
    }),
    trigger: z.enum(['request', 'schedule']),
    createdAt: z.string().meta({ format: 'date-time' }),
    startedAt: z.string().meta({ format: 'date-time' }).optional(),
    endedAt: z.string().meta({ format: 'date-time' }).optional(),
    position: z
      .object({ bucket: z.string(), key: z.string() })
      .optional()
      .meta({ description: 'Everything up to this source key is done.' }),
    counts: CountsSchema,
    fault: FaultSchema.optional().meta({
      description: 'What it failed for; while it lists, what it waits for.',
    }),
  })
  .meta({ id: 'Run', description: 'One pass over what a rule covers.' });

const RunsSchema = z.object({ runs: z.array(RunSchema) }).meta({ id: 'Runs' });

const IdParams = z.object({ id: z.string().min(1).max(200) });

/**
 * Begins the runs that a request asks for, says so in the audit log, and answers them with where to look for them.
 * Throws `too_many_runs` where none fits any more.
 */
export async function startByRequest(
  deps: RouteDeps,
  request: FastifyRequest,
  of: {
    readonly control: RunControl;
    readonly path: string;
    readonly name: 'backfill' | 'reconcile';
    readonly scopes: readonly Parameters<RunControl['start']>[0][];
    /** What was asked for, for the log. */
    readonly asked: object;
  },
): Promise<{ readonly location: string; readonly body: z.output<typeof RunsSchema> }> {
  const { control, path, name, scopes, asked } = of;
  const runs = await startRuns(control, scopes);
  deps.logger.info(
    {
      audit: true,
      action: `${name}.start`,
      ...asked,
      runIds: runs.map(({ id }) => id),
      keyId: request.caller?.id ?? null,
      requestId: request.id,
    },
    `${name} begun by request`,
  );
  return startedAnswer(deps, path, runs);
}

/** Begins the runs of these scopes and answers them: one or more. Throws `too_many_runs` where none fits any more. */
async function startRuns(
  control: RunControl,
  scopes: readonly Parameters<RunControl['start']>[0][],
): Promise<Run[]> {
  const unfinished = (await control.list()).filter(({ endedAtMs }) => endedAtMs === null).length;
  if (unfinished + scopes.length > MAX_UNFINISHED_RUNS)
    throw new RequestProblem('too_many_runs', `${unfinished} have not ended; ${MAX_UNFINISHED_RUNS} may be.`);
  const runs: Run[] = [];
  for (const scope of scopes) runs.push(await control.start(scope, 'request'));
  return runs;
}

/** The answer to a request that begins runs, and where to look for them. */
function startedAnswer(
  deps: RouteDeps,
  path: string,
  runs: readonly Run[],
): { readonly location: string; readonly body: z.output<typeof RunsSchema> } {
  const [only] = runs;
  const place = runs.length === 1 && only !== undefined ? `${path}/${encodeURIComponent(only.id)}` : path;
  return { location: apiUrl(deps.publicUrl, place), body: { runs: runs.map(runToJson) } };
}

export { RunsSchema };

/** GET of all, GET of one, DELETE of one, below `path`. */
export function registerRunRoutes(
  app: HttpApp,
  deps: RouteDeps,
  of: {
    readonly control: RunControl;
    readonly path: string;
    /** In sentences, and at the end of the operations' ids. */
    readonly name: string;
    readonly operation: string;
  },
): void {
  const { control, path, name, operation } = of;
  app.route({
    method: 'GET',
    url: path,
    config: { scope: 'read' },
    schema: {
      operationId: `list${operation}s`,
      tags: ['runs'],
      summary: `List ${name}s, newest first`,
      description: 'Those that have not ended, and the last 20 that have.',
      response: { 200: RunsSchema.describe('All that are known.') },
    },
    handler: async () => ({ runs: (await control.list()).map(runToJson) }),
  });
  app.route({
    method: 'GET',
    url: `${path}/:id`,
    config: { scope: 'read' },
    schema: {
      operationId: `get${operation}`,
      tags: ['runs'],
      summary: `Show one ${name}`,
      description: 'How far it is, and what became of what it fed.',
      params: IdParams,
      response: { 200: RunSchema.describe('It now.') },
    },
    handler: async (request) => runToJson(existing(await control.get(request.params.id), name)),
  });
  app.route({
    method: 'DELETE',
    url: `${path}/:id`,
    config: { scope: 'admin', allowsEmptyBody: true },
    schema: {
      operationId: `cancel${operation}`,
      tags: ['runs'],
      summary: `Cancel one ${name}`,
      description: 'Nothing more is listed or fed. Transfers that were fed go on. Takes no body.',
      params: IdParams,
      response: { 200: RunSchema.describe('It as it ended.') },
    },
    handler: async (request) => {
      const run = existing(await control.cancel(request.params.id), name);
      deps.logger.info(
        {
          audit: true,
          action: `${run.kind}.cancel`,
          runId: run.id,
          rule: run.ruleName,
          keyId: request.caller?.id ?? null,
          requestId: request.id,
        },
        'run cancelled by request',
      );
      return runToJson(run);
    },
  });
}

function existing(run: Run | null, name: string): Run {
  if (run === null) throw new RequestProblem('run_not_found', `There is no ${name} of this id.`);
  return run;
}

function runToJson(run: Run): z.output<typeof RunSchema> {
  const { id, ruleName, buckets, prefix, state, trigger, createdAtMs, startedAtMs, endedAtMs, fault } = run;
  const { bucketIndex, after } = run.position;
  const bucket = buckets?.[bucketIndex];
  return {
    id,
    rule: ruleName,
    ...(buckets === null ? {} : { buckets: [...buckets] }),
    prefix,
    state,
    trigger,
    createdAt: isoTime(createdAtMs),
    ...(startedAtMs === null ? {} : { startedAt: isoTime(startedAtMs) }),
    ...(endedAtMs === null ? {} : { endedAt: isoTime(endedAtMs) }),
    ...(after === null || bucket === undefined ? {} : { position: { bucket, key: after } }),
    counts: { ...run.counts, outcomes: { ...run.counts.outcomes } },
    ...(fault === null ? {} : { fault: faultToJson(fault) }),
  };
}
