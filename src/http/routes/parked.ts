// GET /v1/parked and POST /v1/redrive: what waits for a person, reason by reason, and all of one reason once more.
import { z } from 'zod';
import { FAULTS } from '../../core/faults.ts';
import { nearestName } from '../../core/nearest-name.ts';
import type { ParkedClass, ParkedFilter } from '../../core/transfer-queue.ts';
import { RECHECKED_FAULTS } from '../../replication/recheck-parked.ts';
import { redriveParked } from '../../replication/redrive-parked.ts';
import type { HttpApp, RouteDeps } from '../http-deps.ts';
import { BucketSchema } from '../object-name.ts';
import { FAULT_CODES, FaultSchema, isoTime, TransferSchema, transferToJson } from '../transfer-json.ts';

const MAX_SHOWN_LENGTH = 100;

const ParkedClassSchema = z
  .object({
    rule: z.string(),
    fault: FaultSchema.pick({ code: true, title: true, remedy: true }),
    count: z.number(),
    firstAt: z.string().meta({ format: 'date-time', description: 'Parked longest.' }),
    lastAt: z.string().meta({ format: 'date-time', description: 'Parked last.' }),
    isRechecked: z.boolean().meta({
      description:
        'The service tries one of them every 15 minutes, and all when that one no longer fails so.',
    }),
    example: TransferSchema.optional().meta({ description: 'The one that is parked longest.' }),
  })
  .meta({ id: 'ParkedClass', description: 'The parked transfers of one rule that have one fault.' });

const ParkedAnswer = z.object({ classes: z.array(ParkedClassSchema) }).meta({ id: 'ParkedAnswer' });

const RedriveBody = z
  .strictObject(
    {
      fault: z
        .enum(FAULT_CODES, {
          error: ({ input }) => noSuchFault(input),
        })
        .optional()
        .meta({ description: 'Only transfers that are parked with this fault.' }),
      rule: z
        .string('must be a string')
        .min(1, 'must not be empty')
        .max(255, 'is too long')
        .optional()
        .meta({ description: 'Only of this rule.' }),
      bucket: BucketSchema.optional(),
      prefix: z
        .string('must be a string')
        .min(1, 'must not be empty')
        .max(1024, 'must be at most 1024 characters long')
        .optional()
        .meta({ description: 'Start of the source key, literally.' }),
    },
    { error: (issue) => (issue.code === 'invalid_type' ? 'must be a JSON object' : undefined) },
  )
  .refine((body) => Object.values(body).some((value) => value !== undefined), {
    message: 'must name at least one of fault, rule, bucket, prefix',
  })
  .meta({ id: 'RedriveRequest', examples: [{ fault: 'access_denied', bucket: 'photos', prefix: '2026/' }] });

const RedriveAnswer = z
  .object({
    redriven: z.number().meta({ description: 'Transfers that are due now.' }),
    more: z.boolean().meta({
      description: 'True where the service was stopped before it reached all: send the request again.',
    }),
  })
  .meta({ id: 'RedriveAnswer' });

export function registerParkedRoutes(app: HttpApp, deps: RouteDeps): void {
  app.route({
    method: 'GET',
    url: '/v1/parked',
    config: { scope: 'read' },
    schema: {
      operationId: 'listParked',
      tags: ['transfers'],
      summary: 'List what is parked, reason by reason',
      description:
        'One entry for each rule and fault, the largest first, with what a person can do about it and one transfer as an example. GET /v1/transfers?status=parked&fault=CODE lists the single ones.',
      response: { 200: ParkedAnswer.describe('Every reason.') },
    },
    handler: async () => {
      const classes = [...(await deps.queue.parkedClasses())].sort((a, b) => b.count - a.count);
      return { classes: await Promise.all(classes.map(async (parked) => parkedToJson(parked, deps))) };
    },
  });
  registerRedriveRoute(app, deps);
}

function registerRedriveRoute(app: HttpApp, deps: RouteDeps): void {
  app.route({
    method: 'POST',
    url: '/v1/redrive',
    config: { scope: 'admin' },
    schema: {
      operationId: 'redriveParked',
      tags: ['transfers'],
      summary: 'Run all parked transfers of a reason again, now',
      description:
        'Makes every parked transfer that matches due at once, in the order in which they began, with its attempts counted from zero. Ids stay. Fields combine; at least one is needed. With fault delete_brake and no bucket or prefix this releases the delete brakes.',
      body: RedriveBody,
      response: { 202: RedriveAnswer.describe('Due now.') },
    },
    handler: async (request, reply) => {
      const answer = { redriven: 0, more: true };
      try {
        // Without a release the held deletes would only be looked at and held again.
        for (const ruleName of releasedBy(request.body, deps)) {
          answer.redriven += await deps.heldDeletes.decide(ruleName, 'release', () => deps.closing.aborted);
        }
        for await (const redriven of redriveParked(deps.queue, filterOf(request.body))) {
          answer.redriven += redriven;
          if (deps.closing.aborted) return await reply.code(202).send(answer);
        }
        answer.more = false;
        return await reply.code(202).send(answer);
      } finally {
        // Also where a later step failed: what the earlier ones did stays.
        deps.logger.info(
          {
            audit: true,
            action: 'parked.redrive',
            ...request.body,
            ...answer,
            keyId: request.caller?.id ?? null,
            requestId: request.id,
          },
          'parked transfers redriven by request',
        );
      }
    },
  });
}

/** The rules whose delete brake is released by this request: it asks for all that the brake holds, by its fault. */
function releasedBy(
  { fault, rule, bucket, prefix }: z.output<typeof RedriveBody>,
  deps: RouteDeps,
): string[] {
  if (fault !== 'delete_brake' || bucket !== undefined || prefix !== undefined) return [];
  return deps.rules.map(({ name }) => name).filter((name) => rule === undefined || name === rule);
}

async function parkedToJson(
  parked: ParkedClass,
  deps: RouteDeps,
): Promise<z.output<typeof ParkedClassSchema>> {
  const { ruleName, faultCode, count, firstAtMs, lastAtMs, exampleTransferId } = parked;
  const { title, remedy } = FAULTS[faultCode];
  const example = await deps.queue.get(exampleTransferId);
  return {
    rule: ruleName,
    fault: { code: faultCode, title, remedy },
    count,
    firstAt: isoTime(firstAtMs),
    lastAt: isoTime(lastAtMs),
    isRechecked: RECHECKED_FAULTS.has(faultCode),
    ...(example === null ? {} : { example: transferToJson(example) }),
  };
}

function filterOf({ fault, rule, bucket, prefix }: z.output<typeof RedriveBody>): ParkedFilter {
  return {
    ...(fault === undefined ? {} : { faultCode: fault }),
    ...(rule === undefined ? {} : { ruleName: rule }),
    ...(bucket === undefined ? {} : { bucket }),
    ...(prefix === undefined ? {} : { keyPrefix: prefix }),
  };
}

function noSuchFault(input: unknown): string {
  const nearest =
    typeof input === 'string' && input.length <= MAX_SHOWN_LENGTH ? nearestName(input, FAULT_CODES) : null;
  const hint = nearest === null ? '' : `; did you mean ${nearest}?`;
  return `${shown(input)} is no code of the fault table (docs/faults.md lists them)${hint}`;
}

function shown(input: unknown): string {
  return (JSON.stringify(input) ?? 'it').slice(0, MAX_SHOWN_LENGTH);
}
