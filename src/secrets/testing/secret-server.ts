// The three services that keep secrets, on one loopback port, as they speak on the wire: Systems Manager and Secrets
// Manager in JSON 1.1 of AWS, Secret Manager in JSON of Google. It holds what a test says and answers what it says.
import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import { text } from 'node:stream/consumers';
import { crc32c } from '../../core/checksum.ts';

/** An error as the service writes it; `null` leaves the request without an answer. */
export type Refusal = { readonly status: number; readonly code: string; readonly message?: string } | null;

/** What is kept: a text, bytes, or what is answered instead. */
export type Kept = string | Uint8Array | { readonly refusal: Refusal };

export interface SeenSecretRequest {
  readonly service: 'ssm' | 'secretsmanager' | 'google';
  readonly name: string;
  /** Who asked: the access key id, or the bearer token; empty where nobody is told. */
  readonly caller: string;
  /** Of the signature; empty for Google. */
  readonly region: string;
}

export interface SecretServer extends AsyncDisposable {
  readonly url: string;
  /** By service and name: `ssm /a`, `secretsmanager a`, `google projects/p/secrets/s/versions/latest`. */
  readonly kept: Map<string, Kept>;
  readonly seen: readonly SeenSecretRequest[];
}

interface Answer {
  readonly status: number;
  readonly body: unknown;
}

export async function startSecretServer(kept: Readonly<Record<string, Kept>> = {}): Promise<SecretServer> {
  const held = new Map<string, Kept>(Object.entries(kept));
  const seen: SeenSecretRequest[] = [];
  const server = createServer((req, res) => {
    const handle = async (): Promise<void> => {
      const body = await text(req);
      const isGoogle = req.url?.startsWith('/v1/') === true;
      const answer = isGoogle ? answerAsGoogle(req, held, seen) : answerAsAws(req, body, held, seen);
      if (answer === null) return;
      const contentType = isGoogle ? 'application/json' : 'application/x-amz-json-1.1';
      res.writeHead(answer.status, { 'content-type': contentType });
      res.end(JSON.stringify(answer.body));
    };
    handle().catch(() => res.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('No port');
  return {
    url: `http://127.0.0.1:${address.port}`,
    kept: held,
    seen,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

const TARGETS: Readonly<
  Record<string, { readonly service: 'ssm' | 'secretsmanager'; readonly field: string }>
> = {
  'AmazonSSM.GetParameter': { service: 'ssm', field: 'Name' },
  'secretsmanager.GetSecretValue': { service: 'secretsmanager', field: 'SecretId' },
};

function answerAsAws(
  req: IncomingMessage,
  body: string,
  kept: ReadonlyMap<string, Kept>,
  seen: SeenSecretRequest[],
): Answer | null {
  const target = TARGETS[String(req.headers['x-amz-target'])];
  const scope = /Credential=([^/]+)\/\d{8}\/([^/]+)\/([^/]+)\/aws4_request/.exec(
    req.headers.authorization ?? '',
  );
  const fields = JSON.parse(body) as Record<string, unknown>;
  if (
    target === undefined ||
    req.method !== 'POST' ||
    req.headers['content-type'] !== 'application/x-amz-json-1.1'
  )
    return awsError({ status: 400, code: 'UnknownOperationException' });
  if (scope?.[3] !== target.service) return awsError({ status: 400, code: 'MissingAuthenticationToken' });
  const { service } = target;
  const name = String(fields[target.field]);
  seen.push({ service, name, caller: scope[1] ?? '', region: scope[2] ?? '' });
  if (service === 'ssm' && fields['WithDecryption'] !== true)
    return {
      status: 200,
      body: { Parameter: { Name: name, Type: 'SecureString', Value: 'AQICAHhciphertext' } },
    };
  const found = kept.get(`${service} ${name}`);
  if (found === undefined)
    return awsError({
      status: 400,
      code: service === 'ssm' ? 'ParameterNotFound' : 'ResourceNotFoundException',
    });
  if (typeof found === 'string')
    return service === 'ssm'
      ? { status: 200, body: { Parameter: { Name: name, Type: 'SecureString', Value: found, Version: 1 } } }
      : { status: 200, body: { Name: name, SecretString: found, VersionStages: ['AWSCURRENT'] } };
  if (found instanceof Uint8Array)
    return { status: 200, body: { Name: name, SecretBinary: Buffer.from(found).toString('base64') } };
  return found.refusal === null ? null : awsError(found.refusal);
}

function awsError({ status, code, message }: NonNullable<Refusal>): Answer {
  return { status, body: { __type: code, ...(message === undefined ? {} : { message }) } };
}

function answerAsGoogle(
  req: IncomingMessage,
  kept: ReadonlyMap<string, Kept>,
  seen: SeenSecretRequest[],
): Answer | null {
  const name = /^\/v1\/(projects\/.+):access$/.exec(req.url ?? '')?.[1];
  if (name === undefined || req.method !== 'GET') return googleError({ status: 404, code: 'NOT_FOUND' });
  const caller = /^Bearer (.+)$/.exec(req.headers.authorization ?? '')?.[1] ?? '';
  seen.push({ service: 'google', name, caller, region: '' });
  const found = kept.get(`google ${name}`);
  if (found === undefined)
    return googleError({ status: 404, code: 'NOT_FOUND', message: `Secret [${name}] not found.` });
  if (typeof found !== 'string' && 'refusal' in found)
    return found.refusal === null ? null : googleError(found.refusal);
  const bytes = Buffer.from(found);
  const payload =
    bytes.length === 0 ? {} : { data: bytes.toString('base64'), dataCrc32c: String(crc32c(bytes)) };
  return { status: 200, body: { name, payload } };
}

function googleError({ status, code, message = code }: NonNullable<Refusal>): Answer {
  // A reason such as SERVICE_DISABLED stands in the details.
  const isReason = code === 'SERVICE_DISABLED';
  const details = isReason
    ? [{ '@type': 'type.googleapis.com/google.rpc.ErrorInfo', reason: code, domain: 'googleapis.com' }]
    : [];
  return {
    status,
    body: { error: { code: status, message, status: isReason ? 'PERMISSION_DENIED' : code, details } },
  };
}
