// Access tokens of Google for the target: one cached, one request for a new one at a time, and an old one that is
// still valid is used while the token service is down. google-auth-library gets the tokens and does nothing else.
import { createPrivateKey } from 'node:crypto';
import { type AuthClient, GoogleAuth, JWT } from 'google-auth-library';
import type { Clock } from '../core/clock.ts';
import { Fault } from '../core/faults.ts';

/** Where tokens come from. `refresh` gets a new one although the present one has not expired. */
export interface AccessTokens {
  get(): Promise<string>;
  refresh(): Promise<string>;
}

const STORAGE_SCOPE = 'https://www.googleapis.com/auth/devstorage.read_write';

/** A new token is asked for this long before the old one ends; a metadata server gives no new one much earlier. */
const RENEW_BEFORE_MS = 4 * 60_000;

/** Below this a token may end before the store has read it. */
const UNUSABLE_BEFORE_MS = 10_000;

/** How long a token is kept whose end the token service did not tell. */
const UNKNOWN_LIFE_MS = 10 * 60_000;

const TOKEN_TIMEOUT_MS = 20_000;

/**
 * service_account: the parsed JSON key. federated: the parsed JSON configuration of workload identity federation,
 * which holds no secret. default: Application Default Credentials, as every Google client finds them.
 */
export type GoogleCredentials =
  | { readonly kind: 'service_account'; readonly key: object }
  | { readonly kind: 'federated'; readonly configuration: object }
  | { readonly kind: 'default' };

/** One token as the token service gave it. `expiresAtMs` is wall time; null where it was not told. */
export interface IssuedToken {
  readonly token: string;
  readonly expiresAtMs: number | null;
}

/**
 * Tokens for the target's requests. A malformed key is thrown at once, as `credentials_invalid`; later
 * `credentials_invalid` means that Google refuses the credentials, `credentials_unavailable` that it cannot be asked.
 * `fetch` carries the requests to the token service instead of the global one; `scope` is what a token may be used
 * for, objects where it is left out.
 */
export function googleAccessToken(
  credentials: GoogleCredentials,
  clock: Clock,
  options: { readonly fetch?: typeof fetch; readonly scope?: string } = {},
): AccessTokens {
  const openClient = clientFactory(credentials, options.scope ?? STORAGE_SCOPE, options.fetch ?? null);
  return cachedAccessToken(async () => await issueToken(openClient()), clock);
}

/** The caching alone, over any way to get a token. `issue` throws a Fault where it gets none. */
export function cachedAccessToken(issue: () => Promise<IssuedToken>, clock: Clock): AccessTokens {
  let cached: { readonly token: string; readonly expiresAtMs: number } | null = null;
  let running: Promise<string> | null = null;

  async function renew(): Promise<string> {
    const { token, expiresAtMs } = await issue();
    cached = { token, expiresAtMs: expiresAtMs ?? clock.nowMs() + UNKNOWN_LIFE_MS };
    return token;
  }
  async function refresh(): Promise<string> {
    running ??= renew().finally(() => {
      running = null;
    });
    return await running;
  }
  return {
    async get() {
      const known = cached;
      const leftMs = known === null ? 0 : known.expiresAtMs - clock.nowMs();
      if (known !== null && leftMs > RENEW_BEFORE_MS) return known.token;
      try {
        return await refresh();
      } catch (error) {
        const isStillValid = known !== null && known.expiresAtMs - clock.nowMs() > UNUSABLE_BEFORE_MS;
        const isDown = error instanceof Fault && error.code === 'credentials_unavailable';
        if (known !== null && isStillValid && isDown) return known.token;
        throw error;
      }
    },
    refresh,
  };
}

/** A new client each time: a client keeps its own token, and would give the refused one again. */
function clientFactory(
  credentials: GoogleCredentials,
  scope: string,
  fetchImplementation: typeof fetch | null,
): () => Promise<AuthClient> {
  const transporterOptions = {
    timeout: TOKEN_TIMEOUT_MS,
    ...(fetchImplementation === null ? {} : { fetchImplementation }),
  };
  switch (credentials.kind) {
    case 'service_account': {
      const { email, key, keyId } = readServiceAccountKey(credentials.key);
      return async () => new JWT({ email, key, keyId, scopes: [scope], transporterOptions });
    }
    case 'federated': {
      const { configuration } = credentials;
      if (!isRecord(configuration) || configuration['type'] !== 'external_account')
        throw invalid('The federation configuration has not the type external_account');
      return async () =>
        await new GoogleAuth({
          credentials: { ...configuration, type: 'external_account' },
          scopes: [scope],
          clientOptions: { transporterOptions },
        }).getClient();
    }
    case 'default':
      return async () =>
        await new GoogleAuth({ scopes: [scope], clientOptions: { transporterOptions } }).getClient();
  }
}

async function issueToken(opening: Promise<AuthClient>): Promise<IssuedToken> {
  try {
    const client = await opening;
    const { token } = await client.getAccessToken();
    if (token === null || token === undefined || token === '')
      throw new Fault(
        'credentials_unavailable',
        'The Google token service answered without an access token',
        {
          details: { store: 'target' },
        },
      );
    return { token, expiresAtMs: client.credentials.expiry_date ?? null };
  } catch (error) {
    throw tokenFault(error);
  }
}

/** The library's errors carry the signed request, so only their words are taken, never the error itself. */
function tokenFault(error: unknown): Fault {
  if (error instanceof Fault) return error;
  const words = error instanceof Error ? error.message.replace(/\s+/g, ' ').slice(0, 300) : String(error);
  const status = statusOf(error);
  const details = { store: 'target', provider: 'google', ...(status === null ? {} : { status }) };
  if (/reasonable timeframe|iat and exp/i.test(words))
    return new Fault('clock_skewed', `Google refuses the signed token request: ${words}`, { details });
  const isRefused = status !== null && status >= 400 && status < 500 && status !== 408 && status !== 429;
  return isRefused
    ? new Fault('credentials_invalid', `Google refuses the credentials (${status}): ${words}`, { details })
    : new Fault('credentials_unavailable', `No access token from Google: ${words}`, { details });
}

function statusOf(error: unknown): number | null {
  if (!(error instanceof Error)) return null;
  if ('status' in error && typeof error.status === 'number') return error.status;
  const response = 'response' in error ? error.response : null;
  return isRecord(response) && typeof response['status'] === 'number' ? response['status'] : null;
}

function readServiceAccountKey(key: object): { email: string; key: string; keyId: string } {
  if (!isRecord(key)) throw invalid('The service account key is not a JSON object');
  if (key['type'] !== 'service_account')
    throw invalid(
      'The service account key has not the type service_account: is it another kind of credentials?',
    );
  const { client_email: email, private_key: privateKey, private_key_id: keyId } = key;
  if (typeof email !== 'string' || email === '') throw invalid('The service account key has no client_email');
  if (typeof privateKey !== 'string' || privateKey === '')
    throw invalid(`The service account key of ${email} has no private_key`);
  // A key that passed through an environment variable often has its line breaks written as two characters.
  const pem = privateKey.replaceAll('\\n', '\n');
  try {
    createPrivateKey(pem);
  } catch {
    throw invalid(`The private_key of ${email} is not a private key in PEM form: was it cut or changed?`);
  }
  return { email, key: pem, keyId: typeof keyId === 'string' ? keyId : '' };
}

function invalid(message: string): Fault {
  return new Fault('credentials_invalid', message, { details: { store: 'target', provider: 'google' } });
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
