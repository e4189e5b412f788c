// Calls a running service. An answer that is no success becomes a failure with the service's own words; redirects
// are refused, because the key would travel along.
import { z } from 'zod';
import type { CliDeps, KeyScope } from './cli-deps.ts';
import { CliFailure, EXIT, exitCodeOfStatus } from './exit-codes.ts';

const REQUEST_TIMEOUT_MS = 30_000;

interface ServiceRequest {
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** Path and query, encoded. */
  readonly path: string;
  /** Sent as JSON; null for no body. */
  readonly body: unknown;
  /** What the key has to allow; a key of the scope admin always does. */
  readonly scope: KeyScope;
  /** How long the service was asked to wait before it answers, in seconds; null where it was not. */
  readonly waitSec: number | null;
  /** How long the answer may take where the service has much to do; 30 s without it. */
  readonly timeoutMs?: number;
}

/** A request that only looks; its path is to be added. */
export const LOOK = { method: 'GET', body: null, scope: 'read', waitSec: null } as const;

export interface ServiceAnswer {
  readonly status: number;
  readonly json: unknown;
}

export type CallService = (request: ServiceRequest) => Promise<ServiceAnswer>;

/** The settings are read with the first call, which throws a usage failure where they are wrong. */
export function connectToService(deps: CliDeps): CallService {
  let reading: ReturnType<CliDeps['loadClient']> | null = null;
  return async (request) => {
    reading ??= deps.loadClient();
    const settings = await reading;
    if (settings.kind === 'invalid')
      throw new CliFailure(EXIT.usage, 'invalid_configuration', deps.formatProblems(settings.problems));
    const { url, apiKey } = settings;
    const { method, path, body, scope, waitSec } = request;
    const headers: Record<string, string> = { accept: 'application/json' };
    if (apiKey !== null) headers['authorization'] = `Bearer ${apiKey.reveal()}`;
    if (body !== null) headers['content-type'] = 'application/json';
    if (waitSec !== null) headers['prefer'] = `wait=${waitSec}`;
    const timeout = AbortSignal.timeout((request.timeoutMs ?? REQUEST_TIMEOUT_MS) + (waitSec ?? 0) * 1000);
    let response: Response;
    let text: string;
    try {
      response = await fetch(`${url}${path}`, {
        method,
        headers,
        redirect: 'error',
        signal: AbortSignal.any([deps.signal, timeout]),
        ...(body === null ? {} : { body: JSON.stringify(body) }),
      });
      text = await response.text();
    } catch (error) {
      deps.signal.throwIfAborted();
      throw unreachable(url, error);
    }
    const json = parseJson(text);
    if (!response.ok) throw refused(url, response.status, { json, scope });
    if (json === undefined) throw notOurs(url, response.status);
    return { status: response.status, json };
  };
}

/** The path with those parameters that have a value. */
export function withQuery(path: string, query: object): string {
  const parameters = Object.entries(query).flatMap(([name, value]: [string, unknown]) =>
    typeof value === 'string' ? [`${name}=${encodeURIComponent(value)}`] : [],
  );
  return parameters.length > 0 ? `${path}?${parameters.join('&')}` : path;
}

/** An answer in the shape it must have; throws a failure where the service speaks another language. */
export function readAnswer<Schema extends z.ZodType>(
  schema: Schema,
  answer: ServiceAnswer,
): z.output<Schema> {
  const parsed = schema.safeParse(answer.json);
  if (parsed.success) return parsed.data;
  throw new CliFailure(
    EXIT.failure,
    'unknown_answer',
    `The service answered in a shape that this command does not know: ${z.prettifyError(parsed.error)}`,
    'Use the command of the same version as the service.',
  );
}

const ProblemSchema = z.object({
  title: z.string(),
  detail: z.string().optional(),
  code: z.string().optional(),
  remedy: z.string().optional(),
  requestId: z.string().optional(),
});

function refused(
  url: string,
  status: number,
  answer: { readonly json: unknown; readonly scope: KeyScope },
): CliFailure {
  const parsed = ProblemSchema.safeParse(answer.json);
  if (!parsed.success)
    return NotReadySchema.safeParse(answer.json).success ? notReady(url, status) : notOurs(url, status);
  const { title, detail, code, remedy, requestId } = parsed.data;
  const request = requestId === undefined ? '' : ` (request ${requestId})`;
  const message = detail === undefined ? `${title}${request}` : `${title}: ${detail}${request}`;
  // The service speaks of headers; whoever sits here sets a variable.
  const isKeyAmiss = code === 'unauthorized' || code === 'insufficient_scope';
  const advice = isKeyAmiss ? keyRemedy(answer.scope) : (remedy ?? null);
  return new CliFailure(exitCodeOfStatus(status), code ?? `http_${status}`, message, advice);
}

function keyRemedy(scope: KeyScope): string {
  const scopes = scope === 'admin' ? 'admin' : `${scope} or admin`;
  return `Set REPLICATOR_API_KEY (in .env) to a key of scope ${scopes}.`;
}

/** What GET /readyz answers before all can be stored; it tells no details. */
const NotReadySchema = z.object({ status: z.literal('not_ready') });

function notReady(url: string, status: number): CliFailure {
  return new CliFailure(
    exitCodeOfStatus(status),
    'not_ready',
    `The service at ${url} answers, but is not ready.`,
    'Look at the log of the service; check its database, or the disk of its REPLICATOR_DATA_DIR.',
  );
}

function notOurs(url: string, status: number): CliFailure {
  return new CliFailure(
    exitCodeOfStatus(status),
    `http_${status}`,
    `${url} answered with status ${status}, and not as the replicator does.`,
    'Check REPLICATOR_URL and the proxies in between.',
  );
}

function unreachable(url: string, error: unknown): CliFailure {
  const cause: unknown = error instanceof Error && error.cause !== undefined ? error.cause : error;
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : null;
  const reason = code ?? (cause instanceof Error ? cause.message || cause.name : String(cause));
  return new CliFailure(
    EXIT.temporary,
    'service_unreachable',
    `The service at ${url} cannot be reached (${reason}).`,
    'Start it, or set REPLICATOR_URL to where it runs.',
  );
}

function parseJson(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text);
    return value;
  } catch {
    return undefined;
  }
}
