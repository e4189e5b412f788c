// GET /v1/rules: what is replicated where. Rules come from the configuration and are not editable here.
import { z } from 'zod';
import type { Rule } from '../../core/rule.ts';
import type { HttpApp, RouteDeps } from '../http-deps.ts';

const RuleSchema = z
  .object({
    name: z.string(),
    source: z.object({
      bucket: z.string(),
      prefix: z.string(),
      suffix: z.string(),
      expectedOwner: z.string().optional(),
    }),
    target: z.object({
      bucket: z.string(),
      prefix: z.string(),
      stripPrefix: z.string(),
      prependBucket: z.boolean(),
      storageClass: z.string().optional(),
      kmsKeyName: z.string().optional(),
    }),
    deletes: z.enum(['ignore', 'mirror']),
    adopt: z.enum(['checksum', 'size', 'never']),
    verify: z.enum(['transfer', 'source', 'strict']),
    metadata: z.enum(['all', 'headers']),
  })
  .meta({ id: 'Rule' });

export function registerRulesRoute(app: HttpApp, deps: RouteDeps): void {
  app.route({
    method: 'GET',
    url: '/v1/rules',
    config: { scope: 'read' },
    schema: {
      operationId: 'listRules',
      tags: ['service'],
      summary: 'List the rules',
      description: 'Source bucket and filter, target bucket and key mapping, policy.',
      response: { 200: z.object({ rules: z.array(RuleSchema) }).describe('All rules.') },
    },
    handler: async () => ({ rules: deps.rules.map(ruleToJson) }),
  });
}

function ruleToJson(rule: Rule): z.output<typeof RuleSchema> {
  const { name, deletes, adopt, verify, metadata } = rule;
  const { expectedOwner, ...source } = rule.source;
  const { storageClass, kmsKeyName, ...target } = rule.target;
  return {
    name,
    source: { ...source, ...(expectedOwner === null ? {} : { expectedOwner }) },
    target: {
      ...target,
      ...(storageClass === null ? {} : { storageClass }),
      ...(kmsKeyName === null ? {} : { kmsKeyName }),
    },
    deletes,
    adopt,
    verify,
    metadata,
  };
}
