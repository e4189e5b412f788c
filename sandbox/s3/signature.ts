// Signature Version 4 as S3 checks it, in the Authorization header or in a presigned query string.
// It decides who may pass; what the body must look like is told to the reader of the body.
import type { IncomingHttpHeaders } from 'node:http';
import type { KnownKeys, Keyring } from '../aws/keyring.ts';
import {
  deriveSigningKey,
  headerText,
  type SignatureClaim,
  signatureMatches,
  type SignedRequest,
  signingAlgorithm,
} from '../signature-v4.ts';
import { S3Error } from './errors.ts';
import { parseQuery } from './uri.ts';

export interface VerifiedSignature {
  /** The value of x-amz-content-sha256, or UNSIGNED-PAYLOAD for a presigned request without one. */
  readonly payloadHash: string;
  readonly signature: string;
  readonly amzDate: string;
  readonly scope: string;
  readonly signingKey: Buffer;
}

export interface VerifiedCaller extends VerifiedSignature {
  readonly keys: KnownKeys;
}

interface Claim extends SignatureClaim {
  readonly token: string | null;
  /** Null for a header-signed request. */
  readonly expiresSeconds: number | null;
}

const allowedSkewMs = 15 * 60 * 1000;
const longestPresignSeconds = 604_800;

/**
 * Checks the signature of a request and tells how its body is signed.
 * Throws AccessDenied for an anonymous request, and the service's own code for every other defect.
 */
export function verifySignature(
  request: SignedRequest,
  keyring: Keyring,
  region: string,
  nowMs: number,
): VerifiedCaller {
  const query = parseQuery(request.rawQuery);
  const presigned = query.some(([name]) => name === 'X-Amz-Algorithm' || name === 'X-Amz-Signature');
  const authorization = request.headers.authorization;
  if (!presigned && authorization === undefined) throw new S3Error('AccessDenied');
  const claim = presigned
    ? readPresignedClaim(new Map(query), request.headers)
    : readHeaderClaim(authorization ?? '', request.headers);
  const keys = checkIdentity(claim, keyring, nowMs);
  checkScope(claim, region);
  checkTime(claim, nowMs);
  checkSignedHeaders(claim, request.headers);

  const scope = `${claim.date}/${claim.region}/${claim.service}/aws4_request`;
  const signingKey = deriveSigningKey(keys.secretAccessKey, claim);
  if (!signatureMatches(request, claim, signingKey))
    throw new S3Error('SignatureDoesNotMatch', { elements: { AWSAccessKeyId: claim.accessKeyId } });
  return {
    keys,
    payloadHash: claim.payloadHash,
    signature: claim.signature,
    amzDate: claim.amzDate,
    scope,
    signingKey,
  };
}

function readHeaderClaim(authorization: string, headers: IncomingHttpHeaders): Claim {
  const match =
    /^AWS4-HMAC-SHA256\s+Credential=([^,\s]+),\s*SignedHeaders=([^,\s]+),\s*Signature=([0-9a-f]{64})$/.exec(
      authorization,
    );
  if (match === null) {
    if (!authorization.startsWith(signingAlgorithm))
      throw new S3Error('InvalidRequest', {
        message:
          'The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.',
      });
    throw new S3Error('AuthorizationHeaderMalformed');
  }
  const [, credential = '', signedHeaders = '', signature = ''] = match;
  const amzDate = headerText(headers, 'x-amz-date') ?? amzDateOf(headers.date);
  if (amzDate === null)
    throw new S3Error('AccessDenied', {
      message: 'AWS authentication requires a valid Date or x-amz-date header',
    });
  const payloadHash = headerText(headers, 'x-amz-content-sha256');
  if (payloadHash === null)
    throw new S3Error('InvalidRequest', {
      message: 'Missing required header for this request: x-amz-content-sha256',
    });
  return {
    ...readCredential(credential, 'AuthorizationHeaderMalformed'),
    signedHeaders: signedHeaders.split(';'),
    signature,
    amzDate,
    token: headerText(headers, 'x-amz-security-token'),
    payloadHash,
    expiresSeconds: null,
  };
}

function readPresignedClaim(query: ReadonlyMap<string, string>, headers: IncomingHttpHeaders): Claim {
  const value = (name: string): string => {
    const found = query.get(name);
    if (found === undefined)
      throw new S3Error('AuthorizationQueryParametersError', {
        message: `Query-string authentication version 4 requires the parameter ${name}`,
      });
    return found;
  };
  if (value('X-Amz-Algorithm') !== signingAlgorithm) throw new S3Error('AuthorizationQueryParametersError');
  const expiresSeconds = Number(value('X-Amz-Expires'));
  if (!Number.isInteger(expiresSeconds) || expiresSeconds < 1 || expiresSeconds > longestPresignSeconds)
    throw new S3Error('AuthorizationQueryParametersError', {
      message: `X-Amz-Expires must be between 1 and ${longestPresignSeconds} seconds`,
    });
  return {
    ...readCredential(value('X-Amz-Credential'), 'AuthorizationQueryParametersError'),
    signedHeaders: value('X-Amz-SignedHeaders').split(';'),
    signature: value('X-Amz-Signature'),
    amzDate: value('X-Amz-Date'),
    token: query.get('X-Amz-Security-Token') ?? null,
    payloadHash:
      headerText(headers, 'x-amz-content-sha256') ?? query.get('X-Amz-Content-Sha256') ?? 'UNSIGNED-PAYLOAD',
    expiresSeconds,
  };
}

function readCredential(
  credential: string,
  code: 'AuthorizationHeaderMalformed' | 'AuthorizationQueryParametersError',
): Pick<Claim, 'accessKeyId' | 'date' | 'region' | 'service'> {
  const parts = credential.split('/');
  const [accessKeyId, date, region, service, terminator] = parts;
  if (
    parts.length !== 5 ||
    accessKeyId === undefined ||
    date === undefined ||
    region === undefined ||
    service === undefined ||
    terminator !== 'aws4_request'
  )
    throw new S3Error(code, {
      message: 'The credential must be of the form key/date/region/service/aws4_request',
    });
  return { accessKeyId, date, region, service };
}

function checkIdentity(claim: Claim, keyring: Keyring, nowMs: number): KnownKeys {
  const keys = keyring.find(claim.accessKeyId);
  if (keys === null)
    throw new S3Error('InvalidAccessKeyId', { elements: { AWSAccessKeyId: claim.accessKeyId } });
  if (claim.token !== (keys.sessionToken ?? null)) throw new S3Error('InvalidToken');
  if (keys.expiresAtMs !== null && keys.expiresAtMs <= nowMs) throw new S3Error('ExpiredToken');
  return keys;
}

function checkScope(claim: Claim, region: string): void {
  const code =
    claim.expiresSeconds === null ? 'AuthorizationHeaderMalformed' : 'AuthorizationQueryParametersError';
  if (claim.region !== region)
    throw new S3Error(code, {
      message: `The region '${claim.region}' is wrong; expecting '${region}'`,
      elements: { Region: region },
    });
  if (claim.service !== 's3')
    throw new S3Error(code, {
      message: `Incorrect service '${claim.service}'; this endpoint belongs to 's3'`,
    });
  if (!claim.amzDate.startsWith(claim.date))
    throw new S3Error(code, { message: "The credential's date does not match the date of the request" });
}

function checkTime(claim: Claim, nowMs: number): void {
  const match = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(claim.amzDate);
  if (match === null)
    throw new S3Error('AccessDenied', {
      message: 'AWS authentication requires a valid Date or x-amz-date header',
    });
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = match.slice(1).map(Number);
  const signedMs = Date.UTC(year, month - 1, day, hour, minute, second);
  if (claim.expiresSeconds === null) {
    if (Math.abs(nowMs - signedMs) > allowedSkewMs)
      throw new S3Error('RequestTimeTooSkewed', {
        elements: {
          RequestTime: claim.amzDate,
          ServerTime: new Date(nowMs).toISOString(),
          MaxAllowedSkewMilliseconds: allowedSkewMs,
        },
      });
    return;
  }
  if (signedMs - nowMs > allowedSkewMs)
    throw new S3Error('AccessDenied', { message: 'Request is not valid yet' });
  if (nowMs > signedMs + claim.expiresSeconds * 1000)
    throw new S3Error('AccessDenied', { message: 'Request has expired' });
}

function checkSignedHeaders(claim: Claim, headers: IncomingHttpHeaders): void {
  const unsigned = Object.keys(headers).filter(
    (name) => name.startsWith('x-amz-') && !claim.signedHeaders.includes(name),
  );
  if (unsigned.length > 0 || !claim.signedHeaders.includes('host'))
    throw new S3Error('AccessDenied', {
      message: 'There were headers present in the request which were not signed',
      elements: { HeadersNotSigned: unsigned.join(', ') },
    });
}

function amzDateOf(date: string | undefined): string | null {
  const ms = date === undefined ? Number.NaN : Date.parse(date);
  return Number.isNaN(ms) ? null : new Date(ms).toISOString().replaceAll(/[-:]|\.\d{3}/g, '');
}
