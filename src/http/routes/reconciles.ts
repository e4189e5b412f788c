// /v1/reconciles: compares both sides by their listings, and has what differs looked at.
import { z } from 'zod';
import { wholeRule } from '../../replication/reconcile-schedule.ts';
import type { HttpApp, RouteDeps } from '../http-deps.ts';
import { RequestProblem } from '../problem.ts';
import { registerRunRoutes, RunsSchema, startByRequest } from '../run-json.ts';

const PATH = '/v1/reconciles';

const ReconcileBody = z
  .strictObject(
    {
      rule: z
        .string('must be a string')
        .min(1, 'must not be empty')
        .max(255, 'is too long')
        .optional()
        .meta({ description: 'Name of the rule. Without it, every rule.' }),
    },
    { error: (issue) => (issue.code === 'invalid_type' ? 'must be a JSON object' : undefined) },
  )
  .meta({ id: 'ReconcileRequest', examples: [{ rule: 'default' }] });

export function registerReconcileRoutes(app: HttpApp, deps: RouteDeps): void {
  app.route({
    method: 'POST',
    url: PATH,
    config: { scope: 'admin' },
    schema: {
      operationId: 'startReconcile',
      tags: ['runs'],
      summary: 'Compare both sides now',
      description:
        'Lists source and target side by side and gives every object that differs, and that nothing is under way for, to the queue, behind live changes. One run for each rule; one that still lists is answered instead of a new one. The service does the same by itself every RECONCILE_INTERVAL_HOURS.',
      body: ReconcileBody,
      response: { 202: RunsSchema.describe('Kept durably; it begins by itself.') },
    },
    handler: async (request, reply) => {
      const { rule: name } = request.body;
      const rules = deps.rules.filter((rule) => name === undefined || rule.name === name);
      if (rules.length === 0) throw new RequestProblem('no_rule', `rule: there is no rule "${name ?? ''}".`);
      const { location, body } = await startByRequest(deps, request, {
        control: deps.runs.reconcile,
        path: PATH,
        name: 'reconcile',
        scopes: rules.map(wholeRule),
        asked: request.body,
      });
      return reply.code(202).header('location', location).send(body);
    },
  });
  registerRunRoutes(app, deps, {
    control: deps.runs.reconcile,
    path: PATH,
    name: 'reconcile',
    operation: 'Reconcile',
  });
}
