// The arithmetic of Signature Version 4, the same for every service: canonical request, signing key, signature.
// Who may pass and how a refusal is worded is decided by each service.
import { createHash, createHmac } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { decodeUri, encodeUri, encodeUriPath, parseQuery } from './s3/uri.ts';

export interface SignedRequest {
  readonly method: string;
  readonly rawPath: string;
  readonly rawQuery: string;
  readonly headers: IncomingHttpHeaders;
}

/** What a request says of its own signature. */
export interface SignatureClaim {
  readonly accessKeyId: string;
  readonly date: string;
  readonly region: string;
  readonly service: string;
  readonly signedHeaders: readonly string[];
  /** 64 hexadecimal digits. */
  readonly signature: string;
  readonly amzDate: string;
  /** What stands for the body in the canonical request. */
  readonly payloadHash: string;
}

export const signingAlgorithm = 'AWS4-HMAC-SHA256';

/** Whether the claimed signature is that of this request under this key. */
export function signatureMatches(request: SignedRequest, claim: SignatureClaim, signingKey: Buffer): boolean {
  const scope = `${claim.date}/${claim.region}/${claim.service}/aws4_request`;
  // Clients that send a header value outside ASCII sign either the bytes on the wire or its UTF-8 form.
  return (['latin1', 'utf8'] as const).some((encoding) => {
    const canonical = canonicalRequest(request, claim, encoding);
    const toSign = [signingAlgorithm, claim.amzDate, scope, sha256Hex(canonical)].join('\n');
    return hmac(signingKey, toSign).toString('hex') === claim.signature;
  });
}

function canonicalRequest(
  request: SignedRequest,
  claim: SignatureClaim,
  encoding: 'latin1' | 'utf8',
): Buffer {
  const canonicalQuery = parseQuery(request.rawQuery)
    .filter(([name]) => name !== 'X-Amz-Signature')
    .map(([name, value]) => [encodeUri(name), encodeUri(value)] as const)
    .sort(([nameA, valueA], [nameB, valueB]) => compareText(nameA, nameB) || compareText(valueA, valueB))
    .map(([name, value]) => `${name}=${value}`)
    .join('&');
  const canonicalHeaders = claim.signedHeaders
    .map((name) => `${name}:${(headerText(request.headers, name) ?? '').trim().replaceAll(/\s+/g, ' ')}\n`)
    .join('');
  return Buffer.from(
    [
      request.method,
      encodeUriPath(decodeUri(request.rawPath)),
      canonicalQuery,
      canonicalHeaders,
      claim.signedHeaders.join(';'),
      claim.payloadHash,
    ].join('\n'),
    encoding,
  );
}

export function deriveSigningKey(secretAccessKey: string, claim: SignatureClaim): Buffer {
  const dateKey = hmac(`AWS4${secretAccessKey}`, claim.date);
  const regionKey = hmac(dateKey, claim.region);
  return hmac(hmac(regionKey, claim.service), 'aws4_request');
}

export function hmac(key: string | Buffer, value: string): Buffer {
  return createHmac('sha256', key).update(value).digest();
}

export function sha256Hex(value: string | Uint8Array): string {
  return createHash('sha256').update(value).digest('hex');
}

/** The value of a header as one text; null where there is none. */
export function headerText(headers: IncomingHttpHeaders, name: string): string | null {
  const value = headers[name];
  if (value === undefined) return null;
  return typeof value === 'string' ? value : value.join(',');
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
