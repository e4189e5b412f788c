// Secrets in Google Secret Manager: one request for each, and the CRC32C that Google sends along is checked.
import { Fault } from '../core/faults.ts';
import { crc32c } from '../core/checksum.ts';
import { type SecretReader, type SecretReading, unreadable } from '../core/secret-reader.ts';
import type { AccessTokens } from './access-token.ts';

/** Secret Manager takes no narrower scope. */
export const SECRETS_SCOPE = 'https://www.googleapis.com/auth/cloud-platform';

export interface SecretVersionsOptions {
  /** Scheme, host and port of an emulator; null for Google, at the location of secrets that are kept in one. */
  readonly endpoint: string | null;
  readonly location: string | null;
  /** Null: no token is sent, as emulators want it. */
  readonly tokens: AccessTokens | null;
}

/** Reads versions of secrets, `projects/P/secrets/S/versions/V`. */
export function openSecretVersions(options: SecretVersionsOptions): SecretReader {
  const { endpoint, location, tokens } = options;
  const host =
    location === null ? 'secretmanager.googleapis.com' : `secretmanager.${location}.rep.googleapis.com`;
  const base = endpoint ?? `https://${host}`;
  return {
    read: async (name, signal) => {
      try {
        const headers = tokens === null ? {} : { authorization: `Bearer ${await tokens.get()}` };
        const response = await fetch(`${base}/v1/${name}:access`, { headers, signal, redirect: 'error' });
        const text = await response.text();
        return response.ok ? payloadOf(text) : refusalOf(response.status, text);
      } catch (error) {
        signal.throwIfAborted();
        if (error instanceof Fault)
          return error.code === 'credentials_unavailable'
            ? unreadable('no_credentials', error.message)
            : unreadable('credentials_refused', error.message);
        return unreadable('unreachable', networkWords(error), true);
      }
    },
  };
}

function payloadOf(text: string): SecretReading {
  const payload = fieldOf(parseJson(text), 'payload');
  const data = fieldOf(payload, 'data');
  // An empty value is left out of the answer altogether.
  if (payload !== undefined && data === undefined) return { ok: true, text: '' };
  if (typeof data !== 'string') return unreadable('refused', 'the answer holds no value');
  const bytes = Buffer.from(data, 'base64');
  const told = fieldOf(payload, 'dataCrc32c');
  if (typeof told === 'string' && told !== String(crc32c(bytes))) return unreadable('damaged', '', true);
  try {
    return { ok: true, text: new TextDecoder('utf-8', { fatal: true }).decode(bytes) };
  } catch {
    return unreadable('not_text', '');
  }
}

function refusalOf(status: number, text: string): SecretReading {
  const error = fieldOf(parseJson(text), 'error');
  const message = fieldOf(error, 'message');
  const code = fieldOf(error, 'status');
  const detail = typeof message === 'string' ? message : `status ${status}`;
  if (status === 401) return unreadable('credentials_refused', detail);
  if (status === 403) return unreadable(text.includes('SERVICE_DISABLED') ? 'service_off' : 'denied', detail);
  if (status === 404) return unreadable('missing', detail);
  if (code === 'FAILED_PRECONDITION') return unreadable('disabled', detail);
  const mayPass = status === 429 || status >= 500;
  return unreadable(mayPass ? 'unreachable' : 'refused', detail, mayPass);
}

function fieldOf(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null) return undefined;
  return new Map<string, unknown>(Object.entries(value)).get(name);
}

/** Undefined for anything that is no JSON. The error of JSON.parse quotes its input, so it must never travel. */
function parseJson(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text);
    return value;
  } catch {
    return undefined;
  }
}

function networkWords(error: unknown): string {
  const cause: unknown = error instanceof Error && error.cause !== undefined ? error.cause : error;
  if (!(cause instanceof Error)) return String(cause);
  return 'code' in cause ? String(cause.code) : cause.message;
}
