// What AWS answered instead of a secret, translated once for both services that keep them.
import { Fault } from '../core/faults.ts';
import { type SecretReading, type SecretTroubleKind, unreadable } from '../core/secret-reader.ts';

const KINDS: Readonly<Record<string, SecretTroubleKind>> = {
  AccessDeniedException: 'denied',
  AccessDenied: 'denied',
  NotAuthorized: 'denied',
  ParameterNotFound: 'missing',
  ParameterVersionNotFound: 'missing',
  ResourceNotFoundException: 'missing',
  DecryptionFailure: 'key_denied',
  InvalidKeyId: 'key_denied',
  KMSAccessDeniedException: 'key_denied',
  InvalidRequestException: 'disabled',
  UnrecognizedClientException: 'credentials_refused',
  InvalidClientTokenId: 'credentials_refused',
  InvalidSignatureException: 'credentials_refused',
  SignatureDoesNotMatch: 'credentials_refused',
  IncompleteSignature: 'credentials_refused',
  MissingAuthenticationToken: 'credentials_refused',
  ExpiredTokenException: 'credentials_refused',
  ExpiredToken: 'credentials_refused',
  RequestExpired: 'credentials_refused',
};

/** Words of AWS KMS that come under the name of the service that asked it. */
const ABOUT_THE_KEY = /\bkms\b|kms:Decrypt|ciphertext refers to/i;

/** An error of the SDK as a reading. Rethrows what is no answer and no network error, a mistake of ours. */
export function secretTrouble(error: unknown): SecretReading {
  if (error instanceof Fault) return unreadable('no_credentials', error.message);
  if (!(error instanceof Error)) throw error;
  const status = statusOf(error);
  const detail = error.message === '' ? error.name : `${error.name}: ${error.message}`;
  if (status === null) {
    if (!isNetworkError(error)) throw error;
    return unreadable('unreachable', networkWords(error), true);
  }
  const kind = Object.hasOwn(KINDS, error.name) ? KINDS[error.name] : undefined;
  if (kind === 'denied' && ABOUT_THE_KEY.test(error.message)) return unreadable('key_denied', detail);
  // A clock that is wrong is corrected by the SDK with the time of this answer.
  const isClock =
    kind === 'credentials_refused' && /signature (not yet current|expired)/i.test(error.message);
  if (kind !== undefined) return unreadable(kind, detail, isClock);
  const mayPass =
    status >= 500 || status === 429 || /throttl|too ?many ?requests|limit ?exceeded/i.test(error.name);
  return unreadable(mayPass ? 'unreachable' : 'refused', detail, mayPass);
}

function statusOf(error: Error): number | null {
  const metadata: unknown = '$metadata' in error ? error.$metadata : null;
  if (typeof metadata !== 'object' || metadata === null || !('httpStatusCode' in metadata)) return null;
  return typeof metadata.httpStatusCode === 'number' ? metadata.httpStatusCode : null;
}

function isNetworkError(error: Error): boolean {
  return 'code' in error || error.name === 'TimeoutError' || error.name === 'AbortError';
}

function networkWords(error: Error): string {
  const code = 'code' in error ? String(error.code) : error.name;
  return error.message === '' || error.message.includes(code)
    ? error.message || code
    : `${code}: ${error.message}`;
}
