// The query protocol of SNS and STS: parameters as a form, answers and refusals as XML.
import { randomUUID } from 'node:crypto';
import type { SandboxAnswer } from '../http-answer.ts';
import { readWhole, type SandboxHandler, type SandboxRequest } from '../http-server.ts';
import { document, group, text } from '../s3/xml.ts';
import type { KnownKeys, Keyring } from './keyring.ts';
import { checkServiceSignature, codeOfDefect } from './service-signature.ts';

/** A refusal that the client is meant to see. */
export class QueryError extends Error {
  override readonly name = 'QueryError';
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

export class Parameters {
  readonly #values: URLSearchParams;

  constructor(form: string) {
    this.#values = new URLSearchParams(form);
  }

  /** Null where it is absent. */
  optional(name: string): string | null {
    return this.#values.get(name);
  }

  /** Throws ValidationError where it is absent or empty. */
  required(name: string): string {
    const value = this.#values.get(name);
    if (value === null || value === '')
      throw new QueryError(400, 'ValidationError', `The request must contain the parameter ${name}.`);
    return value;
  }

  /** The members `NAME.1`, `NAME.2` and so on, each by what follows its number. */
  entries(name: string): Readonly<Record<string, string>>[] {
    const found = new Map<number, Record<string, string>>();
    for (const [key, value] of this.#values) {
      const match = key.startsWith(`${name}.`) ? /^(\d+)\.?(.*)$/.exec(key.slice(name.length + 1)) : null;
      if (match === null) continue;
      const index = Number(match[1]);
      found.set(index, { ...found.get(index), [match[2] ?? '']: value });
    }
    return [...found.entries()].sort(([a], [b]) => a - b).map(([, entry]) => entry);
  }

  /** A map that is sent as `NAME.entry.N.key` and `NAME.entry.N.value`. */
  map(name: string): Readonly<Record<string, string>> {
    return Object.fromEntries(
      this.entries(`${name}.entry`).map((entry) => [entry['key'] ?? '', entry['value'] ?? '']),
    );
  }
}

export interface QueryCall {
  readonly parameters: Parameters;
  /** Null for a call that needs no signature. */
  readonly keys: KnownKeys | null;
}

/** What it answers is the XML inside the result. */
export type QueryAction = (call: QueryCall) => string | Promise<string>;

export interface QueryService {
  /** As signatures name it. */
  readonly name: 'sns' | 'sts';
  /** The XML namespace of answers, which ends with the version of the protocol. */
  readonly namespace: string;
  readonly region: string;
  readonly keyring: Keyring;
  readonly actions: Readonly<Record<string, QueryAction>>;
  /** Actions that anybody may call, because a token in them is the proof. */
  readonly open: ReadonlySet<string>;
  /** Actions that the identity may not take. */
  readonly denied: ReadonlySet<string>;
}

const largestRequestBytes = 1024 * 1024;

/** Makes the handler of one endpoint. */
export function routeQueries(service: QueryService): SandboxHandler {
  return async (request) => {
    const requestId = randomUUID();
    const answer = await answerOf(service, request, requestId);
    return { ...answer, headers: { 'content-type': 'text/xml', 'x-amzn-requestid': requestId } };
  };
}

async function answerOf(
  service: QueryService,
  request: SandboxRequest,
  requestId: string,
): Promise<SandboxAnswer> {
  const wrapped = (name: string, ...children: string[]): string =>
    document(`<${name} xmlns="${service.namespace}">${children.join('')}</${name}>`);
  try {
    const body = await readWhole(request.body, largestRequestBytes);
    const parameters = new Parameters(request.method === 'GET' ? request.rawQuery : body.toString('utf8'));
    const name = parameters.optional('Action') ?? '';
    const action = Object.hasOwn(service.actions, name) ? service.actions[name] : undefined;
    if (action === undefined) throw new QueryError(400, 'InvalidAction', `Could not find operation ${name}`);
    const keys = service.open.has(name) ? null : requireKeys(service, request, body);
    if (service.denied.has(name)) throw denial(service, keys, name);
    const result = await action({ parameters, keys });
    return {
      status: 200,
      body: wrapped(
        `${name}Response`,
        group(`${name}Result`, result),
        group('ResponseMetadata', text('RequestId', requestId)),
      ),
    };
  } catch (error) {
    if (!(error instanceof QueryError)) throw error;
    const details = [text('Type', 'Sender'), text('Code', error.code), text('Message', error.message)];
    return {
      status: error.status,
      body: wrapped('ErrorResponse', group('Error', ...details), text('RequestId', requestId)),
    };
  }
}

function requireKeys(service: QueryService, request: SandboxRequest, body: Uint8Array): KnownKeys {
  const { keyring, region, name } = service;
  const checked = checkServiceSignature(request, body, { keyring, region, service: name });
  if (checked.kind === 'signed') return checked.keys;
  throw new QueryError(403, codeOfDefect[checked.defect], checked.message);
}

function denial(service: QueryService, keys: KnownKeys | null, action: string): QueryError {
  const code = service.name === 'sns' ? 'AuthorizationError' : 'AccessDenied';
  const asked = `${service.name}:${action}`;
  return new QueryError(
    403,
    code,
    `User: ${keys?.arn ?? 'anonymous'} is not authorized to perform: ${asked} because no identity-based policy allows the ${asked} action`,
  );
}
