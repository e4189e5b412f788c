// Where the API listens, who may call, and how much of the machine callers may take.
import { adminApiKey, type ApiKey } from './api-keys.ts';
import type { Findings } from './findings.ts';
import { type MachineFacts, ownMemoryBytes } from './machine-facts.ts';
import { showFound } from './problem.ts';
import { isGiven, type SettingsReading } from './read-settings.ts';
import { isLoopbackHost } from './setting-parsers.ts';

/** What decides who may call; a wrong value in one of them is told there. */
const AUTH_SETTINGS = [
  'REPLICATOR_API_KEYS',
  'REPLICATOR_ADMIN_KEY',
  'REPLICATOR_WEBHOOK_SECRETS',
  'REPLICATOR_AUTH',
] as const;

/** Two of the largest documents always fit. */
const MIN_BODY_BYTES = 16 * 1024 * 1024;
const MAX_BODY_BYTES = 128 * 1024 * 1024;
const MIN_CONNECTIONS = 32;
const MAX_CONNECTIONS = 10_000;

export interface HttpConfig {
  readonly host: string;
  readonly port: number;
  readonly publicUrl: string | null;
  /** Open connections of callers. */
  readonly maxConnections: number;
  /** Bytes of request bodies that may be under way. */
  readonly maxBodyBytes: number;
  /**
   * `keys`: callers show a key or sign their calls, and there may be no key at all; `loopback`: neither is configured,
   * so only this machine may call; `none`: everybody may, as was said out loud.
   */
  readonly auth:
    | { readonly kind: 'keys'; readonly keys: readonly ApiKey[] }
    | { readonly kind: 'loopback' | 'none' };
}

/** Settings of the API put together; problems go to `findings`. */
export function httpConfig(reading: SettingsReading, facts: MachineFacts, findings: Findings): HttpConfig {
  return { ...intakeBounds(reading, facts), ...listening(reading, findings) };
}

/** What callers may take of the machine, next to what the transfers take. */
function intakeBounds(
  { values }: SettingsReading,
  facts: MachineFacts,
): Pick<HttpConfig, 'maxConnections' | 'maxBodyBytes'> {
  const { maxOpenFiles = null } = facts;
  // Each transfer may hold a connection to each store; the queue, the log and looks of the API are the rest.
  const ownFiles = 2 * values.MAX_CONCURRENCY + 100;
  const memoryBytes = values.MAX_MEMORY_BYTES ?? ownMemoryBytes(facts);
  return {
    maxConnections:
      maxOpenFiles === null
        ? MAX_CONNECTIONS
        : Math.min(MAX_CONNECTIONS, Math.max(MIN_CONNECTIONS, maxOpenFiles - ownFiles)),
    maxBodyBytes: Math.min(MAX_BODY_BYTES, Math.max(MIN_BODY_BYTES, Math.floor(memoryBytes / 4))),
  };
}

function listening(
  reading: SettingsReading,
  findings: Findings,
): Omit<HttpConfig, 'maxConnections' | 'maxBodyBytes'> {
  const { values, failed } = reading;
  const adminKey = values.REPLICATOR_ADMIN_KEY;
  const keys = [...values.REPLICATOR_API_KEYS, ...(adminKey === null ? [] : [adminApiKey(adminKey)])];
  const port = values.PORT;
  const publicUrl = values.PUBLIC_URL;
  for (const key of values.REPLICATOR_API_KEYS.filter(({ wasPlain }) => wasPlain))
    findings.warn(
      'REPLICATOR_API_KEYS',
      `the key ${key.id} is given in clear and has the scope write; keep only its entry: write:${key.id}:<sha256 of the key>`,
    );
  if (values.REPLICATOR_AUTH === 'none') {
    const given = (
      ['REPLICATOR_API_KEYS', 'REPLICATOR_ADMIN_KEY', 'REPLICATOR_WEBHOOK_SECRETS'] as const
    ).find((name) => isGiven(reading, name));
    if (given !== undefined)
      findings.refuse(
        'REPLICATOR_AUTH',
        '"none"',
        `says that no key is needed, and ${given} is set`,
        'remove one of the two',
      );
    findings.warn('REPLICATOR_AUTH', 'is none: everybody who reaches the port may use the whole API');
    return { host: values.HOST ?? '127.0.0.1', port, publicUrl, auth: { kind: 'none' } };
  }
  if (keys.length > 0 || values.REPLICATOR_WEBHOOK_SECRETS.length > 0)
    return { host: values.HOST ?? '0.0.0.0', port, publicUrl, auth: { kind: 'keys', keys } };
  const host = values.HOST ?? '127.0.0.1';
  if (values.SNS_TOPIC_ARNS.length > 0)
    findings.warn(
      'SNS_TOPIC_ARNS',
      'is set, and no keys are: the service answers only this machine, so SNS cannot reach it; set REPLICATOR_API_KEYS',
    );
  const hasFailed = AUTH_SETTINGS.some((name) => failed.has(name));
  if (!isLoopbackHost(host) && !hasFailed)
    findings.refuse(
      'HOST',
      showFound(host, false),
      'other machines could reach the service, and no keys are set',
      'set REPLICATOR_API_KEYS ("replicator keys create" makes one), or HOST=127.0.0.1, or say REPLICATOR_AUTH=none',
    );
  return { host, port, publicUrl, auth: { kind: 'loopback' } };
}
