// The one table of settings: a row says the name, how it is read, what it is without being set, and what it means.
// Reading, `config print`, docs/configuration.md and .env.example all follow it.
import { ALERT_SETTINGS } from './alert-settings.ts';
import { parseAdminKey, parseApiKeys } from './api-keys.ts';
import { INTAKE_SETTINGS, webhookSecret } from './intake-settings.ts';
import { optional, type Setting, withDefault } from './setting.ts';
import {
  accountId,
  baseUrl,
  byteCount,
  choice,
  daysAsMs,
  key32Bytes,
  keyPart,
  listenHost,
  plainText,
  secondsAsMs,
  secretText,
  sourceBuckets,
  targetBucket,
  wholeNumber,
} from './setting-parsers.ts';
import { PROXY_SETTINGS } from './proxy-settings.ts';
import { STORE_SETTINGS } from './store-settings.ts';

const MIB = 1024 * 1024;

/** Parsers that the rules file shares. */
export const parseDeletes = choice(['ignore', 'mirror']);
export const parseBrakeCount = wholeNumber(0, 1_000_000_000);
export const parseBrakeShare = wholeNumber(0, 100);
export const parseBrakeWindow = secondsAsMs(60, 30 * 24 * 3600);
export const parseAdopt = choice(['checksum', 'size', 'never']);
export const parseVerify = choice(['transfer', 'source', 'strict']);

export const SETTINGS = {
  S3_BUCKET: optional(sourceBuckets, {
    section: 'buckets',
    help: 'The S3 bucket to replicate: one name, a list of names separated by commas, or * for every bucket of S3_EXPECTED_OWNER. With more than one bucket the target key is bucket/key.',
    defaultText: 'required, unless REPLICATOR_CONFIG names rules',
    example: 'my-source-bucket',
  }),
  GCS_BUCKET: optional(targetBucket, {
    section: 'buckets',
    help: 'The Google Cloud Storage bucket that receives the objects.',
    defaultText: 'required, unless REPLICATOR_CONFIG names rules',
    example: 'my-target-bucket',
    aliases: ['GCP_BUCKET_NAME'],
  }),
  S3_PREFIX: withDefault(keyPart, '', {
    section: 'buckets',
    help: 'Only objects whose key begins with this text are replicated.',
    defaultText: 'empty: every object',
    example: 'photos/',
    keepsSpaces: true,
  }),
  S3_SUFFIX: withDefault(keyPart, '', {
    section: 'buckets',
    help: 'Only objects whose key ends with this text are replicated.',
    defaultText: 'empty: every object',
    example: '.jpg',
    keepsSpaces: true,
  }),
  GCS_PREFIX: withDefault(keyPart, '', {
    section: 'buckets',
    help: 'Put before the whole source key, as it is: end it with / to make it a folder.',
    defaultText: 'empty: the key stays the same',
    example: 'from-aws/',
    keepsSpaces: true,
  }),
  S3_EXPECTED_OWNER: optional(accountId, {
    section: 'buckets',
    help: 'Account id that must own the source buckets; sent with every call to S3, so that a bucket deleted and made again by someone else is refused. Required for S3_BUCKET=* and for DELETES=mirror.',
    defaultText: 'not checked',
    example: '111122223333',
  }),
  REPLICATOR_CONFIG: optional(plainText, {
    section: 'buckets',
    help: 'Path of a YAML file with rules, instead of the bucket and prefix variables; or a reference to the text of such a file. docs/configuration.md describes the format.',
    defaultText: 'none',
    example: './rules.yaml',
    mayRefer: true,
  }),
  ADOPT: withDefault(parseAdopt, 'checksum', {
    section: 'policy',
    help: 'When an object that is already at the target, but was not written by this service, counts as the copy: its checksum proves it equal (checksum), its size is equal (size), or never.',
    defaultText: 'checksum',
    example: 'checksum',
  }),
  VERIFY: withDefault(parseVerify, 'source', {
    section: 'policy',
    help: "How far a copy is proved: transfer (bytes counted, CRC32C enforced by the target), source (also the source's own checksum where it is comparable), strict (parks what is not comparable).",
    defaultText: 'source',
    example: 'source',
  }),
  DELETES: withDefault(parseDeletes, 'ignore', {
    section: 'policy',
    help: 'What happens at the target when a source object is deleted: ignore (the copy stays) or mirror (the copy is deleted, if this service wrote it, and as long as the delete brake lets it). mirror needs S3_EXPECTED_OWNER.',
    defaultText: 'ignore',
    example: 'ignore',
  }),
  DELETE_BRAKE_COUNT: withDefault(parseBrakeCount, 1000, {
    section: 'policy',
    help: 'Mirrored deletes of one rule within DELETE_BRAKE_WINDOW_SEC, at most: past it further deletes are held until a person releases or rejects them. 0 holds every delete.',
    defaultText: '1000',
    example: '1000',
  }),
  DELETE_BRAKE_SHARE: withDefault(parseBrakeShare, 10, {
    section: 'policy',
    help: "The same limit in percent of the rule's objects; the lower of the two counts. Up to 10 deletes always pass it. 100 switches the share off.",
    defaultText: '10',
    example: '10',
  }),
  DELETE_BRAKE_WINDOW_SEC: withDefault(parseBrakeWindow, 3_600_000, {
    section: 'policy',
    help: 'Seconds of the sliding window in which mirrored deletes are counted.',
    defaultText: '3600',
    example: '3600',
  }),
  RECONCILE_INTERVAL_HOURS: withDefault(wholeNumber(0, 8760), 24, {
    section: 'policy',
    help: 'Hours between two comparisons of both sides by their listings: objects that are missing at the target or differ there, because a notification was lost or came before the service, are copied. The first one is due an hour after the first start. 0: only on request.',
    defaultText: '24',
    example: '24',
  }),
  ...STORE_SETTINGS,
  ...INTAKE_SETTINGS,
  REPLICATOR_API_KEYS: withDefault(parseApiKeys, [], {
    section: 'http',
    help: 'Keys that may call the API: a list of scope:id:sha256hex, separated by commas; scopes are write, read, admin. "replicator keys create" prints a key and its entry. Several at once allow rotation. A plain key is accepted with a warning and has the scope write.',
    defaultText: 'none: only this machine may call',
    example: '',
    isSecret: true,
    isList: true,
  }),
  REPLICATOR_ADMIN_KEY: optional(parseAdminKey, {
    section: 'http',
    help: 'One more key, itself instead of its entry, with the scope admin: for hosts that make a random value of at least 32 characters by themselves. The commands send it to a service on this machine where REPLICATOR_API_KEY is not set.',
    defaultText: 'none',
    example: '',
    isSecret: true,
  }),
  REPLICATOR_AUTH: optional(choice(['none']), {
    section: 'http',
    help: 'Set to none to let everybody who reaches the port call the API without a key.',
    defaultText: 'keys are required beyond this machine',
    example: 'none',
  }),
  HOST: optional(listenHost, {
    section: 'http',
    help: 'Address to listen on. Other than this machine only with REPLICATOR_API_KEYS, or with REPLICATOR_AUTH=none.',
    defaultText: '0.0.0.0 with keys, else 127.0.0.1',
    example: '0.0.0.0',
  }),
  PORT: withDefault(wholeNumber(0, 65_535), 8080, {
    section: 'http',
    help: 'Port to listen on; 0 takes a free one.',
    defaultText: '8080',
    example: '8080',
  }),
  PUBLIC_URL: optional(baseUrl, {
    section: 'http',
    help: 'Address under which callers reach the service, for links in answers.',
    defaultText: 'none',
    example: 'https://replicator.example.com',
    isUrl: true,
  }),
  SHUTDOWN_GRACE_SEC: withDefault(secondsAsMs(0, 3600), 25_000, {
    section: 'http',
    help: 'Seconds that running transfers get to end after a stop signal, before they are given back to the queue.',
    defaultText: '25',
    example: '25',
  }),
  RETRY_ATTEMPTS: withDefault(wholeNumber(1, 1000), 8, {
    section: 'transfer',
    help: 'Failed attempts after which a transfer is parked for a person.',
    defaultText: '8',
    example: '8',
  }),
  RETRY_BACKOFF_SEC: withDefault(secondsAsMs(0.001, 300), 1000, {
    section: 'transfer',
    help: 'Upper bound of the first wait before another attempt, in seconds; it doubles with each attempt up to 300.',
    defaultText: '1',
    example: '1',
  }),
  CHUNK_SIZE_BYTES: withDefault(byteCount({ min: 262_144, max: 64 * MIB, multipleOf: 262_144 }), 8 * MIB, {
    section: 'transfer',
    help: 'Objects up to this size are written in one request; larger ones keep a checkpoint about this often. A multiple of 256 KiB, 64 MiB at most; units such as 8MiB are understood.',
    defaultText: '8388608 (8 MiB)',
    example: '8MiB',
  }),
  MAX_CONCURRENCY: withDefault(wholeNumber(1, 1024), 256, {
    section: 'transfer',
    help: 'Transfers that run at the same time, at most. How many there are is found while they run: more where the stores are far, fewer where the process has enough to do. A quarter of it, between 1 and 16, may be objects larger than CHUNK_SIZE_BYTES.',
    defaultText: '256',
    example: '256',
  }),
  HTTP_CLIENT: withDefault(choice(['own', 'undici']), 'own' as const, {
    section: 'transfer',
    help: 'The HTTP client for S3 and Google Cloud Storage: own, or undici (slower) as a way out should a store or a proxy not get along with ours.',
    defaultText: 'own',
    example: 'own',
  }),
  ...PROXY_SETTINGS,
  MAX_MEMORY_BYTES: optional(byteCount({ min: 64 * MIB, max: 2 ** 42 }), {
    section: 'transfer',
    help: 'Budget for the bytes of small objects held while they are copied; large ones are streamed. At least 64 MiB and twice CHUNK_SIZE_BYTES; units such as 512MiB are understood.',
    defaultText: 'a quarter of the memory of the machine or container, at least 64 MiB',
    example: '512MiB',
  }),
  SETTLE_GRACE_SEC: withDefault(secondsAsMs(1, 3600), 120_000, {
    section: 'transfer',
    help: 'Seconds to wait before the last look at an object after a write whose answer was lost. Below 60 a late request may still land after that look.',
    defaultText: '120',
    example: '120',
  }),
  REPLICATOR_DATA_DIR: withDefault(plainText, './data', {
    section: 'storage',
    help: 'Folder of the SQLite database, where DATABASE_URL is not set. One process owns it; it must survive restarts.',
    defaultText: './data',
    example: './data',
  }),
  MIN_FREE_DISK_BYTES: withDefault(byteCount({ min: 0, max: 2 ** 45 }), 256 * MIB, {
    section: 'storage',
    help: 'Free space to keep on the disk of REPLICATOR_DATA_DIR: below it changes are answered with 503 until there is more again, so that running transfers can still be written down. A warning is logged at twice as much. 0 switches the check off; units such as 1GiB are understood.',
    defaultText: '268435456 (256 MiB)',
    example: '256MiB',
  }),
  REPLICATOR_ENCRYPTION_KEY: optional(key32Bytes, {
    section: 'storage',
    help: 'Key for upload sessions in the database: 32 bytes in base64 or hex (openssl rand -base64 32). Without it sessions are not stored, and a large object begins again after a crash.',
    defaultText: 'none: sessions are not stored',
    example: '',
    isSecret: true,
  }),
  RECEIPT_RETENTION_DAYS: withDefault(daysAsMs(1, 36_500), 90 * 24 * 60 * 60 * 1000, {
    section: 'storage',
    help: 'Days to keep finished transfers and their receipts.',
    defaultText: '90',
    example: '90',
  }),
  ...ALERT_SETTINGS,
  LOG_LEVEL: withDefault(choice(['trace', 'debug', 'info', 'warn', 'error', 'fatal']), 'info', {
    section: 'log',
    help: 'The least severe lines to write: trace, debug, info, warn, error or fatal.',
    defaultText: 'info',
    example: 'info',
  }),
  LOG_FORMAT: optional(choice(['json', 'pretty']), {
    section: 'log',
    help: 'json for machines, pretty for people.',
    defaultText: 'pretty on a terminal, else json',
    example: 'json',
  }),
  REPLICATOR_URL: withDefault(baseUrl, 'http://127.0.0.1:8080', {
    section: 'client',
    help: 'Address of the running service that the commands call.',
    defaultText: 'this machine, at PORT',
    example: 'http://127.0.0.1:8080',
    isUrl: true,
  }),
  REPLICATOR_API_KEY: optional(secretText, {
    section: 'client',
    help: 'Key that the commands send.',
    defaultText: 'none',
    example: '',
    isSecret: true,
  }),
  REPLICATOR_WEBHOOK_SECRET: optional(webhookSecret, {
    section: 'client',
    help: "One of the service's REPLICATOR_WEBHOOK_SECRETS. The Lambda functions, and workers without a database, then sign what they hand over to the service, and send no key.",
    defaultText: 'none: REPLICATOR_API_KEY is sent',
    example: '',
    isSecret: true,
  }),
} as const satisfies Record<string, Setting<unknown>>;

export type SettingName = keyof typeof SETTINGS;

/** Names that another program or file of this project reads; set here they are no typing error. */
export const READ_ELSEWHERE: readonly string[] = [
  'REPLICATOR_WEBHOOK_SECRET',
  'FASTAPI_URL',
  'POSTGRES_PASSWORD',
];

/** Names of the table in its order. */
export function settingNames(): readonly SettingName[] {
  return Object.keys(SETTINGS).filter((name): name is SettingName => Object.hasOwn(SETTINGS, name));
}
