// The HTTP server of the service: security headers, guards in their order, the routes, and one shape for every
// error. Listening is left to the caller, who decides the address.
//
// Order of a request: too much at once? -> request id -> doubled header? -> foreign page? -> known path and method? ->
// type of the body -> who is calling -> how much is under way -> body -> schema -> route. Nothing of the body is read
// before the caller is known, unless the body itself is what tells: then nothing of it is used before.
import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import fastifyHelmet from '@fastify/helmet';
import {
  fastify,
  type FastifyBodyParser,
  type FastifyError,
  type FastifyReply,
  type FastifyRequest,
} from 'fastify';
import { serializerCompiler, validatorCompiler, type ZodTypeProvider } from 'fastify-type-provider-zod';
import { QueueUnavailable } from '../core/queue-unavailable.ts';
import { refuseIfOverQuota, registerAdmission } from './admission.ts';
import { createAuthorize, keyMissing, scopeOf } from './auth.ts';
import { bodyProofOf, proveSignature, proveSns } from './body-proof.ts';
import {
  DEFAULT_HTTP_LIMITS,
  type HttpApp,
  type HttpLimits,
  type HttpServerDeps,
  type RouteDeps,
} from './http-deps.ts';
import { refuseEarly } from './early-refusal.ts';
import { createJsonBodyParser } from './json-body.ts';
import { describeProblems, registerDocsPages, registerOpenApi, registerOpenApiRoute } from './openapi.ts';
import { guardBody, guardHeaders, guardOrigin, snsTooLarge } from './origin-guard.ts';
import { problemAnswer, rawProblemAnswer, RequestProblem, type RequestProblemCode } from './problem.ts';
import { registerBackfillRoutes } from './routes/backfills.ts';
import { registerAlertRoutes } from './routes/alerts.ts';
import { registerBrakeRoutes } from './routes/brakes.ts';
import { registerEventsRoute } from './routes/events.ts';
import { registerObjectRoutes } from './routes/objects.ts';
import { registerParkedRoutes } from './routes/parked.ts';
import { registerPageFiles, registerPageRoutes } from './routes/page.ts';
import { registerQuarantineRoute } from './routes/quarantine.ts';
import { registerReconcileRoutes } from './routes/reconciles.ts';
import { registerReplicateRoute } from './routes/replicate.ts';
import { registerRulesRoute } from './routes/rules.ts';
import { registerHealthRoutes, registerStatusRoutes } from './routes/status.ts';
import { registerTransferRoutes } from './routes/transfers.ts';
import { RouteTable } from './route-table.ts';
import { validationProblem } from './validation-detail.ts';

/**
 * Builds the server over these dependencies, not yet listening. Throws where an API key has no valid digest, or
 * where keys are asked for and there are none.
 */
export function createHttpServer(deps: HttpServerDeps): HttpApp {
  if (deps.auth === 'keys' && deps.apiKeys.length === 0 && deps.checkSignature === null) {
    throw new Error('Authentication by keys needs at least one API key, or secrets of signed calls');
  }
  const limits = { ...DEFAULT_HTTP_LIMITS, ...deps.limits };
  const closing = new AbortController();
  const routeDeps: RouteDeps = {
    ...deps,
    limits,
    startedAtMs: deps.clock.nowMs(),
    closing: closing.signal,
  };
  const app = bareApp(deps, limits);
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(serializerCompiler);
  app.setErrorHandler<FastifyError>((error, request, reply) => answerError(deps, error, request, reply));
  app.setNotFoundHandler(() => {
    throw new RequestProblem('not_found', 'No such path.');
  });
  app.removeAllContentTypeParsers();
  registerBodyParser(app, routeDeps);
  app.decorateRequest('caller', null);
  app.decorateRequest('bodyProof', null);
  app.decorateRequest('snsDelivery', null);
  app.addHook('preClose', async () => closing.abort());
  // Idle connections are closed once, at the begin: one that gets its answer later would hold the close up.
  app.addHook('onSend', async (_request, reply) => {
    if (closing.signal.aborted) void reply.header('connection', 'close');
  });

  const routeTable = new RouteTable();
  const intakePaths = new Set<string>();
  app.addHook('onRoute', (route) => {
    routeTable.add(route.method, route.url);
    if (route.config?.isIntake === true) intakePaths.add(route.url);
    describeProblems(route);
  });
  registerSecurityHeaders(app);
  registerPageFiles(app);
  registerOpenApi(app, routeDeps);
  // Plugins come first, so that their headers are on refusals too and the document sees every route.
  void app.after(() => {
    addGuards(app, routeDeps, routeTable);
    registerAdmission(app, routeDeps);
    registerRoutes(app, routeDeps);
  });
  registerDocsPages(app);
  const longestTurnMs = limits.intakeTurnMs;
  refuseEarly(app.server, { gate: deps.gate, paths: intakePaths, longestTurnMs, requestIdOf });
  return app;
}

/** The web framework with our limits and our way to answer what it refuses itself. */
function bareApp(deps: HttpServerDeps, limits: HttpLimits): HttpApp {
  return fastify({
    logger: false,
    bodyLimit: limits.bodyBytes,
    requestTimeout: limits.requestTimeoutMs,
    keepAliveTimeout: limits.keepAliveTimeoutMs,
    return503OnClosing: false,
    forceCloseConnections: 'idle',
    requestIdHeader: false,
    genReqId: requestIdOf,
    routerOptions: { maxParamLength: 200 },
    clientErrorHandler: answerBrokenRequest,
    frameworkErrors: (error, request, reply) => {
      void answerError(deps, error, request, reply);
    },
    schemaErrorFormatter: (findings, part) => validationProblem(findings, part),
    http: {
      maxHeaderSize: limits.headerBytes,
      headersTimeout: limits.requestTimeoutMs,
      connectionsCheckingInterval: Math.min(1000, limits.requestTimeoutMs),
    },
  }).withTypeProvider<ZodTypeProvider>();
}

function registerRoutes(app: HttpApp, deps: RouteDeps): void {
  registerReplicateRoute(app, deps);
  registerEventsRoute(app, deps);
  registerTransferRoutes(app, deps);
  registerParkedRoutes(app, deps);
  registerBrakeRoutes(app, deps);
  registerQuarantineRoute(app, deps);
  registerBackfillRoutes(app, deps);
  registerAlertRoutes(app, deps);
  registerReconcileRoutes(app, deps);
  registerObjectRoutes(app, deps);
  registerRulesRoute(app, deps);
  registerStatusRoutes(app, deps);
  registerHealthRoutes(app, deps);
  registerOpenApiRoute(app);
  registerPageRoutes(app);
}

/** JSON, whatever SNS calls it. The bytes of a signed call are checked before anything is made of them. */
function registerBodyParser(app: HttpApp, deps: RouteDeps): void {
  const parseJson = createJsonBodyParser(app);
  const { checkSignature, limits } = deps;
  const parser: FastifyBodyParser<Buffer> = (request, body, done) => {
    try {
      if (request.bodyProof === 'sns' && body.length > limits.snsBodyBytes)
        throw snsTooLarge(limits.snsBodyBytes);
      if (request.bodyProof === 'signature' && checkSignature !== null)
        request.caller = proveSignature(request.headers, body, checkSignature);
    } catch (error) {
      done(error as RequestProblem);
      return;
    }
    void parseJson(request, body, done);
  };
  app.addContentTypeParser(['application/json', 'text/plain'], { parseAs: 'buffer' }, parser);
}

function addGuards(app: HttpApp, deps: RouteDeps, routeTable: RouteTable): void {
  const authorize = createAuthorize(deps.auth, deps.apiKeys);
  app.addHook('onRequest', async (request, reply) => {
    void reply.headers({ 'x-request-id': request.id, 'cache-control': 'no-store' });
    guardHeaders(request.raw.rawHeaders);
    guardOrigin(request, deps);
    if (request.is404) refuseUnknown(request, routeTable);
    const { config } = request.routeOptions;
    if (request.method !== 'GET' && request.method !== 'HEAD')
      guardBody(request, {
        sns: deps.sns,
        takesSns: config.takesSns === true,
        snsBodyBytes: deps.limits.snsBodyBytes,
      });
    const scope = scopeOf(config, request.method);
    if (scope === 'open') return;
    request.bodyProof = bodyProofOf(request, deps.checkSignature);
    if (request.bodyProof !== null) return;
    request.caller = authorize(request.headers.authorization, scope);
    if (config.isIntake === true) refuseIfOverQuota(deps, request.caller.id);
  });
  app.addHook('preValidation', async (request) => {
    if (request.bodyProof === null) return;
    if (request.bodyProof === 'sns' && deps.sns !== null) {
      const { caller, delivery } = await proveSns(request.body, deps.sns);
      request.caller = caller;
      request.snsDelivery = delivery;
    }
    // A body that was never parsed has proved nothing.
    if (request.caller === null) throw keyMissing();
    refuseIfOverQuota(deps, request.caller.id);
  });
}

function refuseUnknown(request: FastifyRequest, routeTable: RouteTable): never {
  const allowed = routeTable.methodsOf(pathOf(request.url));
  if (allowed.length === 0) throw new RequestProblem('not_found', 'No such path.');
  const allow = allowed.join(', ');
  throw new RequestProblem('method_not_allowed', `Allowed: ${allow}.`, { headers: { allow } });
}

function pathOf(url: string): string {
  const question = url.indexOf('?');
  return question < 0 ? url : url.slice(0, question);
}

function registerSecurityHeaders(app: HttpApp): void {
  void app.register(fastifyHelmet, {
    contentSecurityPolicy: {
      useDefaults: false,
      directives: {
        defaultSrc: ["'none'"],
        scriptSrc: ["'self'"],
        styleSrc: ["'self'"],
        imgSrc: ["'self'"],
        connectSrc: ["'self'"],
        baseUri: ["'none'"],
        formAction: ["'none'"],
        frameAncestors: ["'none'"],
      },
    },
    referrerPolicy: { policy: 'no-referrer' },
    xFrameOptions: { action: 'deny' },
    strictTransportSecurity: { maxAge: 31_536_000, includeSubDomains: false },
  });
}

/** A request id that the caller chose is kept where it is harmless in a log and a header. */
function requestIdOf(request: IncomingMessage): string {
  const given = request.headers['x-request-id'];
  return typeof given === 'string' && /^[\w.:-]{1,128}$/.test(given) ? given : randomUUID();
}

/** Counted by the gate, which tells when they begin and end: a line for each would be a flood of its own. */
const TOLD_BY_GATE: ReadonlySet<string> = new Set<RequestProblemCode>([
  'overloaded',
  'disk_reserve',
  'queue_unavailable',
  'rate_limited',
]);

function answerError(
  deps: Pick<HttpServerDeps, 'logger' | 'gate'>,
  error: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
): FastifyReply {
  // What is not accepted has told it already, around its own problem.
  if (error instanceof QueueUnavailable) deps.gate.queueFailed(error);
  const answer = problemAnswer(error, request.id);
  const { code } = answer.document;
  const facts = {
    requestId: request.id,
    method: request.method,
    // The pattern, not what the caller wrote: a path may carry a key.
    route: request.routeOptions.url ?? null,
    status: answer.status,
    code,
  };
  const isToldByGate = TOLD_BY_GATE.has(code);
  const reason = answer.document.detail;
  if (answer.status >= 500) {
    if (!isToldByGate) deps.logger.error({ ...facts, err: causeOf(error) }, 'request failed');
  } else if (answer.status === 401 || answer.status === 403 || answer.status === 421) {
    deps.logger.warn({ ...facts, reason }, 'request refused');
  } else if (request.method === 'POST' && !isToldByGate) {
    // A sender that is refused again and again must be seen at this end too.
    deps.logger.info({ ...facts, reason }, 'request not understood');
  }
  // Also for the errors that the framework meets before any hook has run.
  return reply
    .code(answer.status)
    .headers({
      'x-request-id': request.id,
      'x-content-type-options': 'nosniff',
      'cache-control': 'no-store',
      ...answer.headers,
    })
    .type('application/problem+json; charset=utf-8')
    .serializer(String)
    .send(JSON.stringify(answer.document));
}

function causeOf(error: unknown): unknown {
  return error instanceof RequestProblem && error.cause !== undefined ? error.cause : error;
}

const PROBLEM_OF_PARSER: Readonly<Record<string, readonly [RequestProblemCode, string]>> = {
  HPE_HEADER_OVERFLOW: ['headers_too_large', 'The headers exceed the limit.'],
  ERR_HTTP_REQUEST_TIMEOUT: ['request_timeout', 'The request did not arrive in time.'],
};

/** What the HTTP parser refuses never becomes a request: the answer is written to the socket as it is. */
function answerBrokenRequest(error: Error & { readonly code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable || socket.bytesWritten > 0) {
    // Nobody listens, or an answer is on its way already: a second one would be read as part of it.
    socket.destroy();
    return;
  }
  const [code, detail] = PROBLEM_OF_PARSER[error.code ?? ''] ?? [
    'malformed_http' as const,
    'The request cannot be parsed.',
  ];
  socket.end(rawProblemAnswer(code, detail, randomUUID()));
}
