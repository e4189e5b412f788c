// Settings put together: what they mean in combination, as one frozen value per concern. Secrets are apart.
import type { Rule } from '../core/rule.ts';
import { checkAlertAddress } from './alert-config.ts';
import { checkEndpoint } from './config-endpoint.ts';
import type { Findings } from './findings.ts';
import { parseServiceAccountJson, type ServiceAccountKey } from './google-credentials.ts';
import { type HttpConfig, httpConfig } from './http-config.ts';
import { type IntakeConfig, intakeConfig } from './intake-config.ts';
import { type MachineFacts, ownMemoryBytes } from './machine-facts.ts';
import { showFound } from './problem.ts';
import { isGiven, type SettingsReading } from './read-settings.ts';
import {
  BUCKET_SETTINGS,
  checkMirrorOwners,
  checkRules,
  type RuleDefaults,
  rulesFromVariables,
} from './rules.ts';
import { readRulesFile } from './rules-file.ts';
import { checkSecretEndpoints } from './secret-access.ts';
import type { Secret } from './secrets.ts';
import type { SettingName } from './settings.ts';

interface SourceConfig {
  readonly region: string;
  /** Scheme, host and port, without a slash at the end; null for Amazon S3. */
  readonly endpoint: string | null;
  /** `default`: the platform's own chain; `static`: the keys in Secrets.aws. */
  readonly credentials: 'static' | 'default';
  /** A role to assume with them; null: none. */
  readonly roleArn: string | null;
}

interface TargetConfig {
  /** Scheme, host and port of an emulator, without a slash at the end; null for Google Cloud Storage. */
  readonly endpoint: string | null;
  /** `default`: the platform's own; `service_account`: the key in Secrets.google; `none`: an emulator. */
  readonly credentials: 'service_account' | 'default' | 'none';
}

export interface Config {
  readonly rules: readonly Rule[];
  readonly source: SourceConfig;
  readonly target: TargetConfig;
  /** The client for both stores. */
  readonly httpClient: 'own' | 'undici';
  readonly http: HttpConfig;
  readonly intake: IntakeConfig;
  readonly retry: { readonly attempts: number; readonly backoffMs: number; readonly backoffCapMs: number };
  readonly transfer: {
    readonly chunkBytes: number;
    readonly maxConcurrency: number;
    readonly maxMemoryBytes: number;
    readonly settleGraceMs: number;
  };
  readonly storage: {
    /** `postgres`: at Secrets.databaseUrl, shared by any number of processes; `sqlite`: in `dataDir`. */
    readonly kind: 'sqlite' | 'postgres';
    readonly dataDir: string;
    readonly receiptRetentionMs: number;
    /** 0: not checked. */
    readonly minFreeDiskBytes: number;
  };
  /** Within this time changes are to be at the target. */
  readonly lagObjectiveMs: number;
  /** Null: only on request. */
  readonly reconcileIntervalMs: number | null;
  readonly shutdownGraceMs: number;
  readonly log: {
    readonly level: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal';
    readonly format: 'json' | 'pretty';
  };
}

export interface Secrets {
  /** Null: the platform's own credentials. */
  readonly aws: {
    readonly accessKeyId: Secret;
    readonly secretAccessKey: Secret;
    readonly sessionToken: Secret | null;
  } | null;
  /** Null: the platform's own credentials, or none for an emulator. */
  readonly google: ServiceAccountKey | null;
  /** 32 bytes; null: upload sessions are not stored. */
  readonly encryptionKey: Secret<Uint8Array> | null;
  /** The whole address, password included; null: the queue is a file. */
  readonly databaseUrl: Secret | null;
  /** Keys of signed calls. */
  readonly webhookSecrets: readonly Secret<Uint8Array>[];
  /** The whole address; null: nobody is told. */
  readonly alertWebhook: Secret | null;
  /** Towards both stores; null: directly. */
  readonly proxies: {
    readonly forHttp: Secret | null;
    readonly forHttps: Secret | null;
    readonly except: string;
  } | null;
}

const HOUR_MS = 3_600_000;
const BACKOFF_CAP_MS = 300_000;
const SAFE_SETTLE_GRACE_MS = 60_000;

/** Puts the configuration together. It may only be used when `findings` then holds no problem. */
export function buildConfig(
  reading: SettingsReading,
  facts: MachineFacts,
  findings: Findings,
): { readonly config: Config; readonly secrets: Secrets } {
  const { values } = reading;
  const aws = awsKeys(reading, findings);
  const google = googleKey(reading, facts, findings);
  if (values.SETTLE_GRACE_SEC < SAFE_SETTLE_GRACE_MS)
    findings.warn(
      'SETTLE_GRACE_SEC',
      'is below 60: a write whose answer was lost may still land after the last look',
    );
  checkAlertAddress(reading, findings);
  checkSecretEndpoints(reading, findings);
  const source = sourceConfig(reading, facts, aws, findings);
  const config: Config = {
    rules: buildRules(reading, facts, findings),
    source,
    target: targetConfig(reading, google, findings),
    httpClient: values.HTTP_CLIENT,
    http: httpConfig(reading, facts, findings),
    intake: intakeConfig(reading, source.region, findings),
    retry: {
      attempts: values.RETRY_ATTEMPTS,
      backoffMs: values.RETRY_BACKOFF_SEC,
      backoffCapMs: BACKOFF_CAP_MS,
    },
    transfer: {
      chunkBytes: values.CHUNK_SIZE_BYTES,
      maxConcurrency: values.MAX_CONCURRENCY,
      maxMemoryBytes: memoryBudget(reading, facts, findings),
      settleGraceMs: values.SETTLE_GRACE_SEC,
    },
    storage: {
      kind: values.DATABASE_URL === null ? 'sqlite' : 'postgres',
      dataDir: values.REPLICATOR_DATA_DIR,
      receiptRetentionMs: values.RECEIPT_RETENTION_DAYS,
      minFreeDiskBytes: values.MIN_FREE_DISK_BYTES,
    },
    lagObjectiveMs: values.LAG_OBJECTIVE_SEC,
    reconcileIntervalMs:
      values.RECONCILE_INTERVAL_HOURS === 0 ? null : values.RECONCILE_INTERVAL_HOURS * HOUR_MS,
    shutdownGraceMs: values.SHUTDOWN_GRACE_SEC,
    log: { level: values.LOG_LEVEL, format: values.LOG_FORMAT ?? (facts.isTerminal ? 'pretty' : 'json') },
  };
  return {
    config: freezeDeep(config),
    secrets: {
      aws,
      google,
      encryptionKey: values.REPLICATOR_ENCRYPTION_KEY,
      databaseUrl: values.DATABASE_URL,
      webhookSecrets: values.REPLICATOR_WEBHOOK_SECRETS,
      alertWebhook: values.ALERT_WEBHOOK_URL,
      proxies:
        values.HTTP_PROXY === null && values.HTTPS_PROXY === null
          ? null
          : { forHttp: values.HTTP_PROXY, forHttps: values.HTTPS_PROXY, except: values.NO_PROXY },
    },
  };
}

function buildRules(reading: SettingsReading, facts: MachineFacts, findings: Findings): readonly Rule[] {
  const { values, failed } = reading;
  const defaults: RuleDefaults = {
    expectedOwner: values.S3_EXPECTED_OWNER,
    deletes: values.DELETES,
    deleteBrake: {
      count: values.DELETE_BRAKE_COUNT,
      sharePercent: values.DELETE_BRAKE_SHARE,
      windowMs: values.DELETE_BRAKE_WINDOW_SEC,
    },
    adopt: values.ADOPT,
    verify: values.VERIFY,
  };
  if (failed.has('REPLICATOR_CONFIG')) return [];
  const path = values.REPLICATOR_CONFIG;
  if (path === null) {
    const rules = rulesFromVariables(reading, defaults, findings);
    // A wrong owner is told already; that it is missing would only follow from it.
    if (failed.has('S3_EXPECTED_OWNER')) return rules;
    checkRules(
      rules.map((rule) => ({ rule, place: 'S3_BUCKET' })),
      findings,
    );
    // All of them have the same owner: one problem is enough.
    checkMirrorOwners(
      rules.slice(0, 1).map((rule) => ({ rule, place: 'S3_EXPECTED_OWNER' })),
      findings,
    );
    return rules;
  }
  const both = BUCKET_SETTINGS.filter((name) => isGiven(reading, name));
  if (both.length > 0)
    findings.refuse(
      'REPLICATOR_CONFIG',
      `also set: ${both.join(', ')}`,
      'the rules come either from the file or from the bucket variables, not from both',
      `remove ${both.join(', ')}, or remove REPLICATOR_CONFIG`,
    );
  const reference = reading.referred.get('REPLICATOR_CONFIG');
  const text = reference === undefined ? readNamedFile('REPLICATOR_CONFIG', path, facts, findings) : path;
  if (text === null) return [];
  const placed = readRulesFile(reference ?? path, text, defaults, findings);
  checkRules(placed, findings);
  checkMirrorOwners(placed, findings);
  return placed.map(({ rule }) => rule);
}

/** The text of a file that a setting names; null, with the problem told, where it cannot be read. */
function readNamedFile(
  setting: SettingName,
  path: string,
  facts: MachineFacts,
  findings: Findings,
): string | null {
  try {
    return facts.readFile(path);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown error';
    const reason =
      code === 'ENOENT' ? 'names a file that does not exist' : `names a file that cannot be read (${code})`;
    findings.refuse(
      setting,
      showFound(path, false),
      reason,
      'give the path of a file that this process may read; relative paths start at its working folder',
    );
    return null;
  }
}

function awsKeys(reading: SettingsReading, findings: Findings): Secrets['aws'] {
  const { values, failed } = reading;
  const accessKeyId = values.AWS_ACCESS_KEY_ID;
  const secretAccessKey = values.AWS_SECRET_ACCESS_KEY;
  const sessionToken = values.AWS_SESSION_TOKEN;
  if (accessKeyId === null && secretAccessKey === null) {
    if (sessionToken !== null && !failed.has('AWS_ACCESS_KEY_ID'))
      findings.refuse(
        'AWS_SESSION_TOKEN',
        showFound(sessionToken.reveal(), true),
        'belongs to an access key, and none is set',
        'set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY too, or remove it',
      );
    return null;
  }
  if (accessKeyId === null || secretAccessKey === null) {
    const missing = accessKeyId === null ? 'AWS_ACCESS_KEY_ID' : 'AWS_SECRET_ACCESS_KEY';
    const present = accessKeyId === null ? 'AWS_SECRET_ACCESS_KEY' : 'AWS_ACCESS_KEY_ID';
    findings.refuse(
      missing,
      null,
      `is not set, but ${present} is`,
      `set both, or remove ${present} to use the platform's own credentials`,
    );
    return null;
  }
  if (accessKeyId.reveal().startsWith('ASIA') && sessionToken === null)
    findings.refuse(
      'AWS_SESSION_TOKEN',
      null,
      'is not set, but AWS_ACCESS_KEY_ID is a temporary key',
      'set the session token that came with the key',
    );
  return { accessKeyId, secretAccessKey, sessionToken };
}

function googleKey(
  reading: SettingsReading,
  facts: MachineFacts,
  findings: Findings,
): ServiceAccountKey | null {
  const { values } = reading;
  const ways = (['GCP_SA_KEY_B64', 'GCP_SA_KEY', 'GCP_CREDENTIALS_PATH'] as const).filter((name) =>
    isGiven(reading, name),
  );
  if (ways.length > 1)
    findings.refuse(
      ways[0] ?? 'GCP_SA_KEY_B64',
      `set: ${ways.join(', ')}`,
      'more than one Google credential is given',
      'keep exactly one of them',
    );
  if (values.STORAGE_EMULATOR_HOST !== null && ways.length > 0)
    findings.warn('STORAGE_EMULATOR_HOST', `is set, so ${ways.join(', ')} is not used`);
  const path = values.GCP_CREDENTIALS_PATH;
  const direct = values.GCP_SA_KEY_B64 ?? values.GCP_SA_KEY;
  if (path === null || direct !== null) return direct;
  const text = readNamedFile('GCP_CREDENTIALS_PATH', path, facts, findings);
  if (text === null) return null;
  const parsed = parseServiceAccountJson(text);
  if (parsed.ok) return parsed.value;
  findings.refuse('GCP_CREDENTIALS_PATH', showFound(path, false), `the file ${parsed.reason}`, parsed.fix);
  return null;
}

function sourceConfig(
  reading: SettingsReading,
  facts: MachineFacts,
  aws: Secrets['aws'],
  findings: Findings,
): SourceConfig {
  const { values } = reading;
  const isOwn = values.AWS_ENDPOINT_URL_S3 !== null;
  const endpoint = values.AWS_ENDPOINT_URL_S3 ?? values.AWS_ENDPOINT_URL;
  checkEndpoint(isOwn ? 'AWS_ENDPOINT_URL_S3' : 'AWS_ENDPOINT_URL', endpoint, reading, findings);
  const region = values.AWS_REGION ?? (endpoint === null ? null : 'us-east-1');
  if (region === null)
    findings.refuse(
      'AWS_REGION',
      null,
      'is not set',
      'set it to the region of the source bucket, such as eu-central-1',
    );
  else if (!/^[a-z0-9-]{2,40}$/.test(region))
    findings.refuse(
      'AWS_REGION',
      showFound(region, false),
      'is not the name of a region',
      'set it to a name such as eu-central-1 (not a zone, not a title)',
    );
  // Together with a token file the role is the platform's own, and its chain assumes it.
  const roleArn = facts.hasWebIdentity === true ? null : values.AWS_ROLE_ARN;
  return { region: region ?? '', endpoint, credentials: aws === null ? 'default' : 'static', roleArn };
}

function targetConfig(
  reading: SettingsReading,
  google: ServiceAccountKey | null,
  findings: Findings,
): TargetConfig {
  const endpoint = reading.values.STORAGE_EMULATOR_HOST;
  checkEndpoint('STORAGE_EMULATOR_HOST', endpoint, reading, findings);
  if (endpoint !== null) return { endpoint, credentials: 'none' };
  return { endpoint, credentials: google === null ? 'default' : 'service_account' };
}

function memoryBudget(reading: SettingsReading, facts: MachineFacts, findings: Findings): number {
  const { values } = reading;
  const bytes = values.MAX_MEMORY_BYTES ?? ownMemoryBytes(facts);
  if (bytes < 2 * values.CHUNK_SIZE_BYTES)
    findings.refuse(
      values.MAX_MEMORY_BYTES === null ? 'CHUNK_SIZE_BYTES' : 'MAX_MEMORY_BYTES',
      `${bytes} bytes of memory for chunks of ${values.CHUNK_SIZE_BYTES}`,
      'the memory budget holds less than two chunks',
      'raise MAX_MEMORY_BYTES or lower CHUNK_SIZE_BYTES',
    );
  return bytes;
}

function freezeDeep<T extends object>(value: T): T {
  for (const inner of Object.values(value))
    if (typeof inner === 'object' && inner !== null) freezeDeep(inner);
  return Object.freeze(value);
}
