// Requests that no SDK can produce, for tests: any path bytes, any headers, signed by an implementation of its own.
import { S3Client } from '@aws-sdk/client-s3';
import { createHash, createHmac } from 'node:crypto';
import { type IncomingHttpHeaders, request as httpRequest } from 'node:http';

export interface RawRequest {
  readonly method: string;
  /** Sent exactly as given; must be percent-encoded the way a signature wants it. */
  readonly path: string;
  /** Encoded pairs, `name=value`, in any order. */
  readonly query?: readonly string[];
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | string;
  /** The value of x-amz-content-sha256; the body's own hash by default. */
  readonly payloadHash?: string;
  /** Signs nothing at all. */
  readonly anonymous?: boolean;
  readonly credentials?: { readonly accessKeyId: string; readonly secretAccessKey: string };
  readonly signedAtMs?: number;
  /** As the signature names it; s3 by default. */
  readonly service?: string;
}

export interface RawAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  /** The error document's code; null when there is none. */
  readonly code: string | null;
}

export const testCredentials = { accessKeyId: 'AKTESTSANDBOX', secretAccessKey: 'sandbox/secret+key' };

/** Sends one request on a connection of its own. Rejects when the connection breaks before the answer's end. */
export async function sendRaw(serverUrl: string, raw: RawRequest): Promise<RawAnswer> {
  const { host, port } = new URL(serverUrl);
  const query = [...(raw.query ?? [])].sort().join('&');
  const headers = raw.anonymous === true ? { host, ...raw.headers } : signedHeaders(host, raw, query);
  return new Promise((resolve, reject) => {
    const sent = httpRequest(
      {
        host: '127.0.0.1',
        port,
        method: raw.method,
        path: query === '' ? raw.path : `${raw.path}?${query}`,
        headers: { ...headers, 'content-length': Buffer.byteLength(raw.body ?? '') },
        agent: false,
      },
      (answer) => {
        const chunks: Buffer[] = [];
        answer.on('data', (chunk: Buffer) => chunks.push(chunk));
        answer.on('error', reject);
        answer.on('end', () => {
          const body = Buffer.concat(chunks);
          const code = /<Code>([^<]*)<\/Code>/.exec(body.toString('utf8'))?.[1] ?? null;
          resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body, code });
        });
      },
    );
    sent.on('error', reject);
    sent.end(raw.body);
  });
}

/** A presigned path with query, valid for `expiresSeconds` from now. */
export function presign(serverUrl: string, method: string, path: string, expiresSeconds: number): string {
  const amzDate = amzDateOf(Date.now());
  const scope = `${amzDate.slice(0, 8)}/us-east-1/s3/aws4_request`;
  const query = [
    'X-Amz-Algorithm=AWS4-HMAC-SHA256',
    `X-Amz-Credential=${encodeURIComponent(`${testCredentials.accessKeyId}/${scope}`)}`,
    `X-Amz-Date=${amzDate}`,
    `X-Amz-Expires=${expiresSeconds}`,
    'X-Amz-SignedHeaders=host',
  ].join('&');
  const canonical = `${method}\n${path}\n${query}\nhost:${new URL(serverUrl).host}\n\nhost\nUNSIGNED-PAYLOAD`;
  return `${path}?${query}&X-Amz-Signature=${sign(testCredentials.secretAccessKey, amzDate, scope, canonical)}`;
}

function signedHeaders(host: string, raw: RawRequest, query: string): Record<string, string> {
  const { accessKeyId, secretAccessKey } = raw.credentials ?? testCredentials;
  const amzDate = amzDateOf(raw.signedAtMs ?? Date.now());
  const scope = `${amzDate.slice(0, 8)}/us-east-1/${raw.service ?? 's3'}/aws4_request`;
  const payloadHash = raw.payloadHash ?? sha256(raw.body ?? '');
  const headers: Record<string, string> = {
    host,
    'x-amz-date': amzDate,
    'x-amz-content-sha256': payloadHash,
    ...raw.headers,
  };
  const names = Object.keys(headers).sort();
  const canonicalQuery = query
    .split('&')
    .map((pair) => (pair === '' || pair.includes('=') ? pair : `${pair}=`))
    .join('&');
  const canonical = [
    raw.method,
    raw.path,
    canonicalQuery,
    ...names.map((name) => `${name}:${headers[name]}`),
    '',
    names.join(';'),
    payloadHash,
  ].join('\n');
  const signature = sign(secretAccessKey, amzDate, scope, canonical);
  return {
    ...headers,
    authorization: `AWS4-HMAC-SHA256 Credential=${accessKeyId}/${scope}, SignedHeaders=${names.join(';')}, Signature=${signature}`,
  };
}

function sign(secretAccessKey: string, amzDate: string, scope: string, canonical: string): string {
  const key = scope
    .split('/')
    .reduce<string | Buffer>((last, part) => hmac(last, part), `AWS4${secretAccessKey}`);
  return hmac(key, `AWS4-HMAC-SHA256\n${amzDate}\n${scope}\n${sha256(canonical)}`).toString('hex');
}

function hmac(key: string | Buffer, value: string): Buffer {
  return createHmac('sha256', key).update(value).digest();
}

function sha256(value: string | Uint8Array): string {
  return createHash('sha256').update(value).digest('hex');
}

function amzDateOf(ms: number): string {
  return new Date(ms).toISOString().replaceAll(/[-:]|\.\d{3}/g, '');
}

/** Amazon's own client on a sandbox, with the test credentials; it tries once, so that a fault is seen. */
export function sdkClient(url: string): S3Client {
  return new S3Client({
    endpoint: url,
    region: 'us-east-1',
    credentials: testCredentials,
    forcePathStyle: true,
    maxAttempts: 1,
  });
}
