// GET /v1/brakes and POST /v1/rules/{name}/brake: which rules hold their mirrored deletes, and what a person decides
// about them.
import { z } from 'zod';
import type { BrakeView } from '../../replication/delete-brake.ts';
import type { Rule } from '../../core/rule.ts';
import type { HttpApp, RouteDeps } from '../http-deps.ts';
import { RequestProblem } from '../problem.ts';
import { isoTime } from '../transfer-json.ts';

const BrakeSchema = z
  .object({
    rule: z.string(),
    state: z.enum(['ready', 'tripped']),
    trippedAt: z.string().optional().meta({ format: 'date-time' }),
    deletes: z
      .number()
      .meta({ description: 'Deletes within the window; when it tripped, where it is tripped.' }),
    limit: z.number().meta({ description: 'How many may be: the lower of count and share.' }),
    windowSec: z.number(),
    objects: z.number().meta({
      description: 'About how many objects the rule has at the target; what was never counted is missing.',
    }),
    limits: z.object({ count: z.number(), sharePercent: z.number() }),
    held: z.number().meta({
      description:
        'Deletes that wait for a person: GET /v1/transfers?status=parked&fault=delete_brake&rule=NAME lists them.',
    }),
    released: z.number().meta({ description: 'Released deletes that have not passed yet.' }),
  })
  .meta({ id: 'DeleteBrake', description: 'The brake on the mirrored deletes of one rule.' });

const ActionBody = z
  .strictObject(
    {
      action: z
        .enum(['release', 'reject'], {
          error: ({ input }) =>
            input === undefined ? 'is missing: must be release or reject' : 'must be release or reject',
        })
        .meta({
          description:
            'release: the held deletes run again, and pass where the source is still without the object. reject: their objects stay at the target for good.',
        }),
    },
    { error: (issue) => (issue.code === 'invalid_type' ? 'must be a JSON object' : undefined) },
  )
  .meta({ id: 'BrakeRequest', examples: [{ action: 'release' }] });

const ActionAnswer = z
  .object({
    rule: z.string(),
    action: z.enum(['release', 'reject']),
    held: z.number().meta({ description: 'Deletes that were held and run again now.' }),
  })
  .meta({ id: 'BrakeAnswer' });

export function registerBrakeRoutes(app: HttpApp, deps: RouteDeps): void {
  app.route({
    method: 'GET',
    url: '/v1/brakes',
    config: { scope: 'read' },
    schema: {
      operationId: 'listBrakes',
      tags: ['transfers'],
      summary: 'List the delete brakes of the rules that mirror deletes',
      description:
        'Past a number or a share of its objects within a window of time, a rule deletes nothing more until a person decides. Copies go on.',
      response: { 200: z.object({ brakes: z.array(BrakeSchema) }).describe('One for each such rule.') },
    },
    handler: async () => ({ brakes: (await deps.heldDeletes.list()).map(brakeToJson) }),
  });
  registerDecisionRoute(app, deps);
}

function registerDecisionRoute(app: HttpApp, deps: RouteDeps): void {
  app.route({
    method: 'POST',
    url: '/v1/rules/:name/brake',
    config: { scope: 'admin' },
    schema: {
      operationId: 'decideBrake',
      tags: ['transfers'],
      summary: 'Release or reject the held deletes of a rule',
      description:
        'Counting begins anew. release lets as many deletes pass as are held now, each after a new look at both sides. reject marks the objects at the target, so that no mirrored delete takes them until the source has them again; it holds for every delete whose change is from before this request. Where nothing is held, nothing happens.',
      params: z.object({ name: z.string().max(255) }),
      body: ActionBody,
      response: { 202: ActionAnswer.describe('Decided; the transfers run now.') },
    },
    handler: async (request, reply) => {
      const { name } = request.params;
      const { action } = request.body;
      if (!deps.rules.some((rule) => rule.name === name)) {
        throw new RequestProblem('not_found', 'No rule of this name is configured.');
      }
      let held: number | null = null;
      try {
        held = await deps.heldDeletes.decide(name, action, () => deps.closing.aborted);
        return await reply.code(202).send({ rule: name, action, held });
      } finally {
        // Also where a later step failed: the decision may stand.
        const keyId = request.caller?.id ?? null;
        deps.logger.info(
          { audit: true, action: `brake.${action}`, rule: name, held, keyId, requestId: request.id },
          'delete brake decided by request',
        );
      }
    },
  });
}

function brakeToJson({
  rule,
  brake,
  held,
}: {
  readonly rule: Rule;
  readonly brake: BrakeView;
  readonly held: number;
}): z.output<typeof BrakeSchema> {
  const { trip, objects, released } = brake;
  const { count, sharePercent, windowMs } = rule.deleteBrake;
  return {
    rule: rule.name,
    state: trip === null ? 'ready' : 'tripped',
    ...(trip === null ? {} : { trippedAt: isoTime(trip.atMs) }),
    deletes: trip?.deletes ?? brake.deletes,
    limit: trip?.limit ?? brake.limit,
    windowSec: (trip?.windowMs ?? windowMs) / 1000,
    objects,
    limits: { count, sharePercent },
    held,
    released,
  };
}
