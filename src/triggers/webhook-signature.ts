// Signed calls by the Standard Webhooks scheme: an HMAC-SHA256 over id, time and the exact bytes of the body. Pure;
// the sender and the service both use it.
import { createHmac, timingSafeEqual } from 'node:crypto';

/** How far the signed time may be away from the clock of the service, in both directions. */
const SIGNATURE_TOLERANCE_SEC = 300;

/** As long as an id may be: it is kept with what it brought. */
const MAX_ID_LENGTH = 128;

/** What is signed. */
export interface SignedMessage {
  /** Names the message: the same in every repetition of it. Printable characters other than a dot, 128 at most. */
  readonly id: string;
  /** Unix seconds. */
  readonly timestampSec: number;
  /** The bytes as they are sent, text as UTF-8. */
  readonly body: Uint8Array | string;
}

/** The headers of a signed call, as they came; undefined where one is missing. */
export interface SignatureHeaders {
  readonly id: string | undefined;
  readonly timestamp: string | undefined;
  readonly signature: string | undefined;
}

/** `reason` names what is wrong, and holds nothing of the secret or of the signature that was expected. */
export type SignatureCheck =
  | { readonly kind: 'valid'; readonly id: string }
  | { readonly kind: 'invalid'; readonly reason: string };

/**
 * The three headers of a signed call. Throws a RangeError where id or time cannot be signed: that is a mistake of the
 * caller.
 */
export function signWebhook(message: SignedMessage, secret: Uint8Array): Readonly<Record<string, string>> {
  const { id, timestampSec } = message;
  if (!isId(id))
    throw new RangeError('The id of a signed call is 1 to 128 printable characters without a dot');
  if (!Number.isSafeInteger(timestampSec) || timestampSec < 0)
    throw new RangeError('The time of a signed call is a whole number of seconds');
  return {
    'webhook-id': id,
    'webhook-timestamp': String(timestampSec),
    'webhook-signature': `v1,${hmacOf(message, secret).toString('base64')}`,
  };
}

/**
 * Checks a call against every secret and every signature that it carries, each comparison in constant time. `body` is
 * what came over the wire; `nowMs` the wall clock.
 */
export function verifyWebhook(request: {
  readonly headers: SignatureHeaders;
  readonly body: Uint8Array;
  readonly secrets: readonly Uint8Array[];
  readonly nowMs: number;
}): SignatureCheck {
  const { headers, body, secrets, nowMs } = request;
  const { id, timestamp, signature } = headers;
  if (id === undefined || !isId(id)) return invalid('webhook-id is missing or no id');
  if (timestamp === undefined || !/^\d{1,12}$/.test(timestamp))
    return invalid('webhook-timestamp is missing or not in Unix seconds');
  const timestampSec = Number(timestamp);
  const offsetSec = Math.round(nowMs / 1000 - timestampSec);
  if (Math.abs(nowMs / 1000 - timestampSec) > SIGNATURE_TOLERANCE_SEC)
    return invalid(
      `webhook-timestamp is ${Math.abs(offsetSec)} s ${offsetSec > 0 ? 'old' : 'ahead'}; ${SIGNATURE_TOLERANCE_SEC} are allowed`,
    );
  const presented = presentedSignatures(signature ?? '');
  if (presented.length === 0) return invalid('webhook-signature holds no signature of version v1');
  let isKnown = false;
  for (const secret of secrets) {
    const expected = hmacOf({ id, timestampSec: timestamp, body }, secret);
    for (const candidate of presented) {
      // No early exit: which secret matched must not show in the time.
      if (timingSafeEqual(expected, candidate)) isKnown = true;
    }
  }
  return isKnown ? { kind: 'valid', id } : invalid('webhook-signature fits no configured secret');
}

function isId(id: string): boolean {
  return id.length <= MAX_ID_LENGTH && /^[\x21-\x2d\x2f-\x7e]+$/.test(id);
}

function invalid(reason: string): SignatureCheck {
  return { kind: 'invalid', reason };
}

/** The signatures of version v1 in the header; others are of keys that this service does not use. */
function presentedSignatures(header: string): Buffer[] {
  return header.split(' ').flatMap((part) => {
    const encoded = /^v1,([A-Za-z0-9+/]{43}=)$/.exec(part)?.[1];
    return encoded === undefined ? [] : [Buffer.from(encoded, 'base64')];
  });
}

/** The time is signed as it was written. */
function hmacOf(
  {
    id,
    timestampSec,
    body,
  }: Omit<SignedMessage, 'timestampSec'> & { readonly timestampSec: number | string },
  secret: Uint8Array,
): Buffer {
  return createHmac('sha256', secret).update(`${id}.${timestampSec}.`).update(body).digest();
}
