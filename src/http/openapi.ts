// The document of the API, made from the routes' own schemas, and the pages that show it. Both are open: they say what
// the program can do and nothing of this installation, and a browser cannot send a key for a page. A key that is typed
// into the page goes with the calls that are tried there.
import fastifySwagger from '@fastify/swagger';
import fastifySwaggerUi from '@fastify/swagger-ui';
import type { RouteOptions } from 'fastify';
import { jsonSchemaTransform, jsonSchemaTransformObject } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { scopeOf } from './auth.ts';
import type { HttpApp, RouteDeps } from './http-deps.ts';
import { type RequestProblemCode, REQUEST_PROBLEMS } from './problem.ts';

const ProblemSchema = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.number(),
    detail: z.string().meta({ description: 'What is wrong with this request.' }),
    code: z.string().meta({ description: 'Stable name of the problem, for programs.' }),
    remedy: z.string().meta({ description: 'What to do about it.' }),
    requestId: z.string().meta({ description: 'Leads to the line in the log of the service.' }),
  })
  .meta({
    id: 'Problem',
    description: 'Every error, as RFC 9457 describes it.',
    examples: [
      {
        type: 'urn:cross-cloud-replicator:problem:no_rule',
        title: REQUEST_PROBLEMS.no_rule.title,
        status: 422,
        detail: 'bucket: "other-bucket" belongs to no rule.',
        code: 'no_rule',
        remedy: REQUEST_PROBLEMS.no_rule.remedy,
        requestId: '7b3f6d0e-3c44-4f0e-9a55-0c8f5f0a4b55',
      },
    ],
  });

/** The page loads its own files and asks its own service; the icons of its buttons are data. */
const DOCS_CSP = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "font-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** Registers the document's collector; before the routes. */
export function registerOpenApi(app: HttpApp, deps: RouteDeps): void {
  void app.register(fastifySwagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Cross-cloud replicator',
        // Of the API; the version of the program is told to callers with a key.
        version: 'v1',
        description:
          'Copies every object written to S3 into Google Cloud Storage: verified, in order, never lost. Changes are hints; a transfer brings one target key into agreement with its source.',
      },
      servers: [{ url: deps.publicUrl ?? '/' }],
      tags: [
        { name: 'intake', description: 'Tell the service that objects changed.' },
        { name: 'transfers', description: 'What is going on, what failed and why.' },
        { name: 'runs', description: 'What is there already, and what was lost: backfills and reconciles.' },
        { name: 'objects', description: 'The story of one object.' },
        { name: 'service', description: 'State, rules, metrics.' },
      ],
      components: {
        securitySchemes: {
          bearer: {
            type: 'http',
            scheme: 'bearer',
            description: 'A key of REPLICATOR_API_KEYS. Scopes: read, write, admin (which includes both).',
          },
          signature: {
            type: 'apiKey',
            in: 'header',
            name: 'webhook-signature',
            description:
              'A signed call by the Standard Webhooks scheme, with webhook-id and webhook-timestamp beside it: "v1," and the HMAC-SHA256 of "id.timestamp.body" in base64, under a secret of REPLICATOR_WEBHOOK_SECRETS. The timestamp (Unix seconds) may be five minutes away. The same id with the same body is answered again and stored once.',
          },
        },
      },
    },
    transform: jsonSchemaTransform,
    transformObject: jsonSchemaTransformObject,
  });
}

/** Adds to a route what follows from its scope and method: the key it needs and the problems it can answer. */
export function describeProblems(route: RouteOptions): void {
  const { schema } = route;
  if (schema === undefined || schema.hide === true) return;
  const scope = scopeOf(route.config, String(route.method));
  const isIntake = route.config?.isIntake === true;
  schema.security = scope === 'open' ? [] : [{ bearer: [] }, ...(isIntake ? [{ signature: [] }] : [])];
  if (scope !== 'open') schema.description = `${schema.description ?? ''} Scope: ${scope}.`.trim();
  const problems: Record<number, object> = {};
  for (const code of problemCodesOf(route, scope !== 'open')) {
    const { status, title } = REQUEST_PROBLEMS[code];
    problems[status] = {
      description: title,
      content: { 'application/problem+json': { schema: ProblemSchema } },
    };
  }
  schema.response = { ...problems, ...(schema.response as object) };
}

function problemCodesOf(route: RouteOptions, needsKey: boolean): RequestProblemCode[] {
  const { schema, url } = route;
  const codes: RequestProblemCode[] = ['internal_error'];
  if (needsKey) codes.push('unauthorized', 'insufficient_scope', 'host_not_allowed', 'queue_unavailable');
  if (schema?.querystring !== undefined) codes.push('invalid_request');
  const isOfRuns = url.startsWith('/v1/backfills') || url.startsWith('/v1/reconciles');
  if (url.includes(':id')) codes.push(unknownIdOf(url, isOfRuns));
  if (url === '/v1/replicate') codes.push('no_rule');
  if (isOfRuns && String(route.method) === 'POST') codes.push('no_rule', 'too_many_runs');
  if (route.config?.isIntake === true) codes.push('rate_limited');
  if (url === '/v1/objects/explain') codes.push('look_timed_out');
  if (schema?.body !== undefined) {
    codes.push('invalid_request', 'body_too_large', 'unsupported_media_type');
  }
  return codes;
}

function unknownIdOf(url: string, isOfRuns: boolean): RequestProblemCode {
  if (isOfRuns) return 'run_not_found';
  return url.startsWith('/v1/quarantine') ? 'record_not_found' : 'transfer_not_found';
}

/** GET /openapi.json. */
export function registerOpenApiRoute(app: HttpApp): void {
  app.route({
    method: 'GET',
    url: '/openapi.json',
    config: { scope: 'open' },
    schema: {
      operationId: 'getOpenApi',
      tags: ['service'],
      summary: 'This document',
      description: 'OpenAPI 3.1.',
      response: { 200: z.looseObject({ openapi: z.string() }).describe('The document.') },
    },
    handler: async (_request, reply) =>
      reply
        .type('application/json; charset=utf-8')
        .serializer(JSON.stringify)
        .send(app.swagger() as { openapi: string }),
  });
}

/** The pages below /docs; after the routes. */
export function registerDocsPages(app: HttpApp): void {
  app.addHook('onRoute', (route) => {
    if (/^\/docs(\/|$)/.test(route.url)) route.config = { ...route.config, scope: 'open' };
  });
  void app.register(fastifySwaggerUi, {
    routePrefix: '/docs',
    staticCSP: DOCS_CSP,
    uiConfig: { deepLinking: true, docExpansion: 'list' },
  });
}
