// The keys that may call the API: entries `scope:id:sha256hex` in REPLICATOR_API_KEYS. Only digests are kept; the
// digest is the SHA-256 of the whole key text as the caller sends it.
import { createHash } from 'node:crypto';
import { Secret } from './secrets.ts';
import { accept, type Parse, refuse, splitList } from './setting-parsers.ts';

const API_SCOPES = ['write', 'read', 'admin'] as const;

export type ApiScope = (typeof API_SCOPES)[number];

export interface ApiKey {
  readonly scope: ApiScope;
  /** Names the key in logs and in the audit; never secret. */
  readonly id: string;
  /** SHA-256 of the whole key text, 64 small hexadecimal digits. */
  readonly sha256: string;
  /** True where the setting held the key itself instead of its digest. */
  readonly wasPlain: boolean;
}

const KEY_ID = /^[A-Za-z0-9](?:[A-Za-z0-9.-]{0,62}[A-Za-z0-9])?$/;

const ENTRY_FIX =
  'each entry is scope:id:sha256hex with scope write, read or admin; "replicator keys create" prints one';

/** Reads the list. A plain key means the scope `write` and is hashed at once. */
export const parseApiKeys: Parse<readonly ApiKey[]> = (text) => {
  const keys: ApiKey[] = [];
  for (const [index, entry] of splitList(text).entries()) {
    const position = index + 1;
    const key = entry.includes(':') ? readEntry(entry) : readPlainKey(entry, position);
    if (typeof key === 'string') return refuse(`entry ${position} ${key}`, ENTRY_FIX);
    if (keys.some((other) => other.id === key.id))
      return refuse(`entry ${position} repeats the id of an earlier one`, 'give every key its own id');
    keys.push(key);
  }
  // As empty variables put together make it: taken for none, it would open the service to everybody on this machine.
  if (keys.length === 0) return refuse('holds no key', ENTRY_FIX);
  return accept(keys);
};

const MIN_ADMIN_KEY_CHARACTERS = 32;

/** One key itself, with the scope `admin` and without an id of its own. A short one could be guessed. */
export const parseAdminKey: Parse<Secret> = (text) => {
  const fix =
    'set it to a random value that nothing else uses, such as the output of: openssl rand -base64 32';
  if (/^[a-z]+:[^:]*:[0-9a-f]{64}$/i.test(text))
    return refuse('is an entry instead of a key', 'put entries into REPLICATOR_API_KEYS');
  if (!/^[\x21-\x7e]+$/.test(text)) return refuse('holds characters that no HTTP header can carry', fix);
  if (text.length < MIN_ADMIN_KEY_CHARACTERS)
    return refuse(`has fewer than ${MIN_ADMIN_KEY_CHARACTERS} characters`, fix);
  return accept(new Secret(text));
};

/** What the service keeps of it. */
export function adminApiKey(key: Secret): ApiKey {
  return { scope: 'admin', id: 'admin-key', sha256: sha256Hex(key.reveal()), wasPlain: true };
}

/** The key of an entry with colons, or what is wrong with it. */
function readEntry(entry: string): ApiKey | string {
  const [scopeText, id, digest, ...rest] = entry.split(':');
  const scope = API_SCOPES.find((candidate) => candidate === scopeText);
  if (id === undefined || digest === undefined || rest.length > 0) return 'does not have three parts';
  if (scope === undefined) return 'has an unknown scope';
  if (!KEY_ID.test(id)) return 'has an id with characters other than letters, digits, dots and hyphens';
  if (!/^[0-9a-f]{64}$/i.test(digest)) return 'does not end with the 64 hexadecimal digits of a SHA-256';
  return { scope, id, sha256: digest.toLowerCase(), wasPlain: false };
}

function readPlainKey(key: string, position: number): ApiKey | string {
  if (!/^[\x21-\x7e]+$/.test(key)) return 'holds characters that no HTTP header can carry';
  const id = /^rpl_([^_]+)_/.exec(key)?.[1] ?? `plain-${position}`;
  return { scope: 'write', id, sha256: sha256Hex(key), wasPlain: true };
}

export interface CreatedApiKey {
  /** The key itself, `rpl_<id>_<43 characters>`: shown once, kept nowhere. */
  readonly key: string;
  /** What REPLICATOR_API_KEYS needs to accept it. */
  readonly entry: string;
}

/**
 * A new key from 32 random bytes. Throws a RangeError for another number of bytes or an id that is not 1 to 64
 * letters, digits, dots and hyphens.
 */
export function createApiKey(request: {
  readonly scope: ApiScope;
  readonly id: string;
  readonly randomBytes: Uint8Array;
}): CreatedApiKey {
  const { scope, id, randomBytes } = request;
  if (!KEY_ID.test(id)) throw new RangeError('The id of a key is 1 to 64 letters, digits, dots and hyphens');
  if (randomBytes.length !== 32) throw new RangeError('A key is made from exactly 32 random bytes');
  const key = `rpl_${id}_${Buffer.from(randomBytes).toString('base64url')}`;
  return { key, entry: `${scope}:${id}:${sha256Hex(key)}` };
}

function sha256Hex(text: string): string {
  return createHash('sha256').update(text, 'utf8').digest('hex');
}
