// /v1/backfills: brings over what is at the source already, in the background.
import { z } from 'zod';
import { chooseBackfill } from '../../replication/backfill.ts';
import type { HttpApp, RouteDeps } from '../http-deps.ts';
import { BucketSchema } from '../object-name.ts';
import { RequestProblem } from '../problem.ts';
import { registerRunRoutes, RunsSchema, startByRequest } from '../run-json.ts';

const PATH = '/v1/backfills';

const BackfillBody = z
  .strictObject(
    {
      rule: z
        .string('must be a string')
        .min(1, 'must not be empty')
        .max(255, 'is too long')
        .optional()
        .meta({ description: 'Name of the rule. Without it, every rule that covers the bucket.' }),
      bucket: BucketSchema.optional(),
      prefix: z
        .string('must be a string')
        .max(1024, 'must be at most 1024 characters long')
        .refine((text) => text.isWellFormed(), 'must be well-formed Unicode, without lone surrogates')
        .optional()
        .meta({ description: 'Only keys that begin so, literally.' }),
    },
    { error: (issue) => (issue.code === 'invalid_type' ? 'must be a JSON object' : undefined) },
  )
  .meta({ id: 'BackfillRequest', examples: [{ bucket: 'photos', prefix: '2026/' }] });

export function registerBackfillRoutes(app: HttpApp, deps: RouteDeps): void {
  app.route({
    method: 'POST',
    url: PATH,
    config: { scope: 'admin' },
    schema: {
      operationId: 'startBackfill',
      tags: ['runs'],
      summary: 'Bring over what is at the source already',
      description:
        'Lists the bucket and gives every object that the rule covers to the queue, behind live changes. Objects that are at the target already cost a look and are skipped. One run for each rule that is meant; one that still lists the same is answered instead of a new one. It goes on by itself after a restart.',
      body: BackfillBody,
      response: { 202: RunsSchema.describe('Kept durably; it begins by itself.') },
    },
    handler: async (request, reply) => {
      const { rule, bucket, prefix = '' } = request.body;
      const chosen = chooseBackfill(deps.rules, { rule, bucket, prefix });
      if (chosen.kind === 'no_rule') throw new RequestProblem('no_rule', chosen.detail);
      if (chosen.kind === 'unclear') throw new RequestProblem('invalid_request', chosen.detail);
      const { location, body } = await startByRequest(deps, request, {
        control: deps.runs.backfill,
        path: PATH,
        name: 'backfill',
        scopes: chosen.scopes,
        asked: request.body,
      });
      return reply.code(202).header('location', location).send(body);
    },
  });
  registerRunRoutes(app, deps, {
    control: deps.runs.backfill,
    path: PATH,
    name: 'backfill',
    operation: 'Backfill',
  });
}
