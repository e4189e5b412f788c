// GET /v1/objects/explain: the whole story of one source object. Looks at both stores, so it has a time limit.
import { z } from 'zod';
import type { SourceState, TargetObject } from '../../core/object.ts';
import type { ObjectExplanation, RuleExplanation, SideNow } from '../../replication/explain-object.ts';
import type { HttpApp, RouteDeps } from '../http-deps.ts';
import { BucketSchema, KeySchema } from '../object-name.ts';
import { RequestProblem } from '../problem.ts';
import {
  FaultSchema,
  faultToJson,
  isoTime,
  LocationSchema,
  locationToJson,
  TransferSchema,
  transferToJson,
} from '../transfer-json.ts';

const HeadersSchema = z.record(z.string(), z.string());

const SourceStateSchema = z.object({
  etag: z.string(),
  versionId: z.string().optional(),
  sizeBytes: z.number(),
  lastModified: z.string().meta({ format: 'date-time' }),
  checksum: z.object({ algorithm: z.string(), value: z.string(), kind: z.string() }).optional(),
  storageClass: z.string().optional(),
  headers: HeadersSchema,
  userMetadata: HeadersSchema,
});

const TargetStateSchema = z.object({
  generation: z.string(),
  sizeBytes: z.number(),
  crc32c: z.string().optional(),
  md5: z.string().optional(),
  headers: HeadersSchema,
  customMetadata: HeadersSchema,
});

const sideSchema = <State extends z.ZodType>(state: State) =>
  z.discriminatedUnion('kind', [
    z.object({ kind: z.literal('present'), state }),
    z.object({ kind: z.literal('absent') }),
    z.object({ kind: z.literal('unknown'), fault: FaultSchema }),
  ]);

const ExplanationSchema = z
  .object({
    source: LocationSchema,
    reason: z.string().optional().meta({ description: 'Why no rule covers the object.' }),
    rules: z.array(
      z.object({
        rule: z.string(),
        target: LocationSchema,
        sourceNow: sideSchema(SourceStateSchema),
        targetNow: sideSchema(TargetStateSchema),
        verdict: z.string().optional().meta({ description: 'What the next attempt would do.' }),
        outcomeNow: z.string().optional(),
        transfers: z.array(TransferSchema),
      }),
    ),
  })
  .meta({ id: 'ObjectExplanation' });

export function registerObjectRoutes(app: HttpApp, deps: RouteDeps): void {
  app.route({
    method: 'GET',
    url: '/v1/objects/explain',
    config: { scope: 'read' },
    schema: {
      operationId: 'explainObject',
      tags: ['objects'],
      summary: 'Tell the whole story of one object',
      description:
        'The rules that cover it, what both stores hold now, what the next attempt would do, and every remembered transfer. Changes nothing.',
      querystring: z.strictObject({ bucket: BucketSchema, key: KeySchema }),
      response: { 200: ExplanationSchema.describe('The story.') },
    },
    handler: async (request, reply) => {
      const { bucket, key } = request.query;
      const timeout = AbortSignal.timeout(deps.limits.explainTimeoutMs);
      const gone = new AbortController();
      reply.raw.once('close', () => gone.abort());
      try {
        const signal = AbortSignal.any([timeout, gone.signal, deps.closing]);
        return explanationToJson(await deps.explain({ bucket, key }, signal));
      } catch (cause) {
        if (!timeout.aborted && !gone.signal.aborted && !deps.closing.aborted) throw cause;
        throw new RequestProblem('look_timed_out', 'The look at both stores was ended.', { cause });
      }
    },
  });
}

function explanationToJson(explanation: ObjectExplanation): z.output<typeof ExplanationSchema> {
  return {
    source: locationToJson(explanation.source),
    ...(explanation.reason === null ? {} : { reason: explanation.reason }),
    rules: explanation.rules.map(ruleToJson),
  };
}

function ruleToJson(rule: RuleExplanation): z.output<typeof ExplanationSchema>['rules'][number] {
  return {
    rule: rule.ruleName,
    target: locationToJson(rule.target),
    sourceNow: sideToJson(rule.sourceNow, sourceToJson),
    targetNow: sideToJson(rule.targetNow, targetToJson),
    ...(rule.verdict === null ? {} : { verdict: rule.verdict }),
    ...(rule.outcomeNow === null ? {} : { outcomeNow: rule.outcomeNow }),
    transfers: rule.transfers.map(transferToJson),
  };
}

function sideToJson<State, Json>(side: SideNow<State>, toJson: (state: State) => Json) {
  switch (side.kind) {
    case 'present':
      return { kind: 'present' as const, state: toJson(side.state) };
    case 'absent':
      return { kind: 'absent' as const };
    case 'unknown':
      return { kind: 'unknown' as const, fault: faultToJson(side.fault) };
  }
}

function sourceToJson(state: SourceState): z.output<typeof SourceStateSchema> {
  const { user, ...headers } = state.metadata;
  return {
    etag: state.etag,
    ...(state.versionId === null ? {} : { versionId: state.versionId }),
    sizeBytes: state.sizeBytes,
    lastModified: isoTime(state.lastModifiedMs),
    ...(state.checksum === null ? {} : { checksum: { ...state.checksum } }),
    ...(state.storageClass === null ? {} : { storageClass: state.storageClass }),
    headers: presentHeaders(headers),
    userMetadata: { ...user },
  };
}

function targetToJson(object: TargetObject): z.output<typeof TargetStateSchema> {
  const { custom, ...headers } = object.metadata;
  return {
    generation: object.generation,
    sizeBytes: object.sizeBytes,
    ...(object.crc32c === null ? {} : { crc32c: object.crc32c }),
    ...(object.md5 === null ? {} : { md5: object.md5 }),
    headers: presentHeaders(headers),
    customMetadata: { ...custom },
  };
}

function presentHeaders(headers: Readonly<Record<string, string | null>>): Record<string, string> {
  const present: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) if (value !== null) present[name] = value;
  return present;
}
