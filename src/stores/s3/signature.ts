// AWS Signature Version 4 for the Authorization header, payload in a single chunk. Pure: the same request gives the
// same signature. Paths and queries come in already encoded, because they are signed exactly as they are sent.
import { createHmac, hash } from 'node:crypto';
import type { AwsCredentials } from '../../aws/credentials.ts';

/** SHA-256 of nothing, in hex: the payload hash of every request without a body. */
export const EMPTY_PAYLOAD_SHA256 = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';

export interface UnsignedRequest {
  readonly method: string;
  /** Percent-encoded, from the first slash. */
  readonly path: string;
  /** As `canonicalQuery` makes it; empty where there is none. */
  readonly query: string;
  /** Lower-case names, `host` among them. All of them are signed. */
  readonly headers: Readonly<Record<string, string>>;
  /** SHA-256 of the body, in hex. */
  readonly payloadSha256: string;
}

/** Returns the request's headers together with those that carry the signature. `atMs` is Unix milliseconds. */
export type Signer = (
  request: UnsignedRequest,
  credentials: AwsCredentials,
  atMs: number,
) => Record<string, string>;

/**
 * A signer for one region. It keeps the last signing key, which stays the same for a day and one secret: deriving
 * it costs more than the rest of the signature.
 */
export function createSigner(region: string): Signer {
  let cachedFor = '';
  let cachedKey: Buffer = Buffer.alloc(0);

  function signingKey(day: string, secretAccessKey: string): Buffer {
    const wanted = `${day}/${secretAccessKey}`;
    if (wanted !== cachedFor) {
      cachedKey = hmac(hmac(hmac(hmac(`AWS4${secretAccessKey}`, day), region), 's3'), 'aws4_request');
      cachedFor = wanted;
    }
    return cachedKey;
  }

  return (request, credentials, atMs) => {
    const time = amzDate(atMs);
    const day = time.slice(0, 8);
    const headers: Record<string, string> = {
      ...request.headers,
      'x-amz-content-sha256': request.payloadSha256,
      'x-amz-date': time,
    };
    if (credentials.sessionToken !== undefined) headers['x-amz-security-token'] = credentials.sessionToken;
    const names = Object.keys(headers).sort();
    const signedHeaders = names.join(';');
    let canonical = `${request.method}\n${request.path}\n${request.query}\n`;
    for (const name of names) canonical += `${name}:${canonicalValue(headers[name] ?? '')}\n`;
    canonical += `\n${signedHeaders}\n${request.payloadSha256}`;
    const scope = `${day}/${region}/s3/aws4_request`;
    const stringToSign = `AWS4-HMAC-SHA256\n${time}\n${scope}\n${hash('sha256', canonical, 'hex')}`;
    const signature = hmac(signingKey(day, credentials.secretAccessKey), stringToSign).toString('hex');
    headers['authorization'] =
      `AWS4-HMAC-SHA256 Credential=${credentials.accessKeyId}/${scope},` +
      `SignedHeaders=${signedHeaders},Signature=${signature}`;
    return headers;
  };
}

let lastSecond = Number.NaN;
let lastDate = '';

/** `20130524T000000Z` for a time in Unix milliseconds; made once a second. */
function amzDate(atMs: number): string {
  const second = Math.floor(atMs / 1000);
  if (second !== lastSecond) {
    lastDate = new Date(second * 1000).toISOString().replace(/[-:]|\.\d+/g, '');
    lastSecond = second;
  }
  return lastDate;
}

function canonicalValue(value: string): string {
  return value.trim().replace(/ {2,}/g, ' ');
}

function hmac(key: string | Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest();
}
