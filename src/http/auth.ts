// Who is calling and what they may do. Runs before a byte of the body is read. Keys are compared by their digests,
// every configured key in the same time, so that the time of a refusal tells nothing.
import { createHash, timingSafeEqual } from 'node:crypto';
import { RequestProblem } from './problem.ts';

/** `admin` includes `read` and `write`; those two do not include each other. */
export type Scope = 'write' | 'read' | 'admin';

/** What a route asks for; `open` needs no key. */
export type RouteScope = Scope | 'open';

/** The scope of a route: what it says, else `read` for looking and `admin` for everything else. */
export function scopeOf(config: { readonly scope?: RouteScope } | undefined, method: string): RouteScope {
  return config?.scope ?? (method === 'GET' || method === 'HEAD' ? 'read' : 'admin');
}

/** `keys`: bearer keys. `none`: switched off out loud. `loopback`: no keys, only this machine is answered. */
export type AuthMode = 'keys' | 'none' | 'loopback';

/** One configured key: `sha256` is the digest of the whole key in hex, `id` is what the log shows. */
export interface ApiKey {
  readonly scope: Scope;
  readonly id: string;
  readonly sha256: string;
}

/**
 * Who made a request. `id` is the id of the key, `webhook`, `sns:` and the name of the topic, or the auth mode where
 * keys are not used.
 */
export interface Caller {
  readonly id: string;
  /** Names a delivery that its sender may repeat, so that it is taken once; null where it has no name. */
  readonly deliveryId: string | null;
}

/** What in a body tells who is calling: the signature of the bytes, or that of the message of SNS inside. */
export type BodyProof = 'signature' | 'sns';

/**
 * Decides on a request. Answers the caller, or throws the problem `unauthorized` (no key, an unknown one) or
 * `insufficient_scope`.
 */
export type Authorize = (authorization: string | undefined, scope: Scope) => Caller;

/** Builds the decision for these keys. Throws where a digest is not 64 hex digits: the configuration is wrong. */
export function createAuthorize(auth: AuthMode, apiKeys: readonly ApiKey[]): Authorize {
  if (auth !== 'keys') return () => ({ id: auth, deliveryId: null });
  const known = apiKeys.map((apiKey) => ({ apiKey, digest: digestFromHex(apiKey) }));
  return (authorization, scope) => {
    const presented = bearerKey(authorization);
    if (presented === null) {
      throw keyMissing();
    }
    const digest = createHash('sha256').update(presented, 'utf8').digest();
    const matching: ApiKey[] = [];
    for (const { apiKey, digest: expected } of known) {
      // No early exit: which entry matched must not show in the time.
      if (timingSafeEqual(digest, expected)) matching.push(apiKey);
    }
    if (matching.length === 0) {
      throw new RequestProblem('unauthorized', 'The API key is not known.', {
        headers: { 'www-authenticate': 'Bearer realm="replicator", error="invalid_token"' },
      });
    }
    const granting = matching.find((apiKey) => apiKey.scope === scope || apiKey.scope === 'admin');
    if (granting === undefined) {
      throw new RequestProblem('insufficient_scope', `This call needs a key of the scope ${scope}.`, {
        headers: {
          'www-authenticate': `Bearer realm="replicator", error="insufficient_scope", scope="${scope}"`,
        },
      });
    }
    return { id: granting.id, deliveryId: null };
  };
}

/** The answer to a call that shows nothing at all. */
export function keyMissing(): RequestProblem {
  return new RequestProblem('unauthorized', 'The Authorization header with a bearer key is missing.', {
    headers: { 'www-authenticate': 'Bearer realm="replicator"' },
  });
}

function digestFromHex(apiKey: ApiKey): Buffer {
  if (!/^[0-9a-f]{64}$/i.test(apiKey.sha256)) {
    throw new Error(`The API key ${apiKey.id} has no valid SHA-256 digest`);
  }
  return Buffer.from(apiKey.sha256, 'hex');
}

function bearerKey(authorization: string | undefined): string | null {
  const match = /^bearer +(\S+)$/i.exec(authorization?.trim() ?? '');
  return match?.[1] ?? null;
}
