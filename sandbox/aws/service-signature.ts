// Signature Version 4 as the services besides S3 check it: in the Authorization header, over the hash of the body.
// What is wrong is answered as a defect; each protocol has its own words for it.
import {
  deriveSigningKey,
  headerText,
  sha256Hex,
  type SignatureClaim,
  signatureMatches,
  type SignedRequest,
  signingAlgorithm,
} from '../signature-v4.ts';
import type { KnownKeys, Keyring } from './keyring.ts';

export type SignatureDefect =
  | 'missing'
  | 'malformed'
  | 'unknown_key'
  | 'wrong_token'
  | 'expired'
  | 'mismatch';

export type CheckedSignature =
  | { readonly kind: 'signed'; readonly keys: KnownKeys }
  | { readonly kind: 'refused'; readonly defect: SignatureDefect; readonly message: string };

/** The code that every service answers for a defect. */
export const codeOfDefect = {
  missing: 'MissingAuthenticationToken',
  malformed: 'IncompleteSignature',
  unknown_key: 'InvalidClientTokenId',
  wrong_token: 'InvalidClientTokenId',
  expired: 'ExpiredToken',
  mismatch: 'SignatureDoesNotMatch',
} as const satisfies Record<SignatureDefect, string>;

const allowedSkewMs = 15 * 60 * 1000;

/** Checks who sent a request. The clock is the machine's: a client signs by it, whatever time the sandbox plays. */
export function checkServiceSignature(
  request: SignedRequest,
  body: Uint8Array,
  expected: { readonly keyring: Keyring; readonly region: string; readonly service: string },
): CheckedSignature {
  const authorization = request.headers.authorization;
  if (authorization === undefined) return refused('missing', 'Missing Authentication Token');
  const claim = readClaim(request, authorization, body);
  if (claim === null)
    return refused(
      'malformed',
      `Authorization header requires 'Credential', 'Signature' and 'SignedHeaders'.`,
    );
  const keys = expected.keyring.find(claim.accessKeyId);
  const invalid = 'The security token included in the request is invalid.';
  if (keys === null) return refused('unknown_key', invalid);
  if (headerText(request.headers, 'x-amz-security-token') !== (keys.sessionToken ?? null))
    return refused('wrong_token', invalid);
  const nowMs = Date.now();
  if (keys.expiresAtMs !== null && keys.expiresAtMs <= nowMs)
    return refused('expired', 'The security token included in the request is expired');
  return (
    scopeDefect(claim, expected) ??
    timeDefect(claim, nowMs) ??
    (signatureMatches(request, claim, deriveSigningKey(keys.secretAccessKey, claim))
      ? { kind: 'signed', keys }
      : refused(
          'mismatch',
          'The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.',
        ))
  );
}

function readClaim(request: SignedRequest, authorization: string, body: Uint8Array): SignatureClaim | null {
  const match =
    /^AWS4-HMAC-SHA256\s+Credential=([^,/\s]+)\/(\d{8})\/([^/,\s]+)\/([^/,\s]+)\/aws4_request,\s*SignedHeaders=([^,\s]+),\s*Signature=([0-9a-f]{64})$/.exec(
      authorization,
    );
  const amzDate = headerText(request.headers, 'x-amz-date');
  if (match === null || amzDate === null || !authorization.startsWith(signingAlgorithm)) return null;
  const [, accessKeyId = '', date = '', region = '', service = '', signedHeaders = '', signature = ''] =
    match;
  return {
    accessKeyId,
    date,
    region,
    service,
    signedHeaders: signedHeaders.split(';'),
    signature,
    amzDate,
    payloadHash: sha256Hex(body),
  };
}

function scopeDefect(
  claim: SignatureClaim,
  expected: { readonly region: string; readonly service: string },
): CheckedSignature | null {
  if (claim.region !== expected.region)
    return refused('mismatch', `Credential should be scoped to a valid region, not '${claim.region}'.`);
  if (claim.service !== expected.service)
    return refused('mismatch', `Credential should be scoped to correct service: '${expected.service}'.`);
  return null;
}

function timeDefect(claim: SignatureClaim, nowMs: number): CheckedSignature | null {
  const signedMs = Date.parse(
    claim.amzDate.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z'),
  );
  if (Math.abs(nowMs - signedMs) <= allowedSkewMs) return null;
  return refused(
    'mismatch',
    `Signature expired: ${claim.amzDate} is now earlier than the earliest allowed time.`,
  );
}

function refused(defect: SignatureDefect, message: string): CheckedSignature {
  return { kind: 'refused', defect, message };
}
