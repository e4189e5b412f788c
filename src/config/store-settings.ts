// The settings of the access to both stores: a part of the table in settings.ts.
import { parseServiceAccountBase64, parseServiceAccountJson } from './google-credentials.ts';
import { MASK } from './secrets.ts';
import { optional, type Setting, withDefault } from './setting.ts';
import { baseUrl, emulatorUrl, onOff, plainText, secretText } from './setting-parsers.ts';

/** An access key id tells its kind and its end; anything else in this place may be the secret itself. */
function showAccessKeyId(text: string): string {
  return /^A[KS]IA[A-Z0-9]{12,}$/.test(text) ? `${text.slice(0, 4)}...${text.slice(-4)}` : MASK;
}

export const STORE_SETTINGS = {
  AWS_ACCESS_KEY_ID: optional(secretText, {
    section: 'aws',
    help: "Access key for S3, together with AWS_SECRET_ACCESS_KEY. Without both, the platform's own credentials are used (profile, container or instance role).",
    defaultText: "the platform's own credentials",
    example: '',
    isSecret: true,
    show: showAccessKeyId,
  }),
  AWS_SECRET_ACCESS_KEY: optional(secretText, {
    section: 'aws',
    help: 'The secret that belongs to AWS_ACCESS_KEY_ID.',
    defaultText: "the platform's own credentials",
    example: '',
    isSecret: true,
  }),
  AWS_SESSION_TOKEN: optional(secretText, {
    section: 'aws',
    help: 'Session token that belongs to temporary keys (their id begins with ASIA).',
    defaultText: 'none',
    example: '',
    isSecret: true,
  }),
  AWS_REGION: optional(plainText, {
    section: 'aws',
    help: 'Region of the source buckets.',
    defaultText: 'required; us-east-1 where an S3 endpoint is set',
    example: 'eu-central-1',
    aliases: ['AWS_DEFAULT_REGION'],
    ownNameWins: true,
  }),
  AWS_ENDPOINT_URL_S3: optional(baseUrl, {
    section: 'aws',
    help: 'Address of an S3-compatible service instead of Amazon S3.',
    defaultText: 'AWS_ENDPOINT_URL, else Amazon S3',
    example: 'http://127.0.0.1:9000',
    isUrl: true,
  }),
  AWS_ENDPOINT_URL: optional(baseUrl, {
    section: 'aws',
    help: 'Address of an AWS-compatible service; AWS_ENDPOINT_URL_S3 wins over it.',
    defaultText: 'Amazon S3',
    example: 'http://127.0.0.1:9000',
    isUrl: true,
  }),
  AWS_ENDPOINT_URL_SSM: optional(baseUrl, {
    section: 'aws',
    help: 'Address of a service that speaks as AWS Systems Manager, for references ssm:...',
    defaultText: 'AWS_ENDPOINT_URL, else AWS',
    example: 'http://127.0.0.1:4566',
    isUrl: true,
  }),
  AWS_ENDPOINT_URL_SECRETS_MANAGER: optional(baseUrl, {
    section: 'aws',
    help: 'Address of a service that speaks as AWS Secrets Manager, for references aws-sm:...',
    defaultText: 'AWS_ENDPOINT_URL, else AWS',
    example: 'http://127.0.0.1:4566',
    isUrl: true,
  }),
  GCP_SA_KEY_B64: optional(parseServiceAccountBase64, {
    section: 'google',
    help: "Key file of a Google service account, base64 encoded (base64 -w0 key.json). At most one of the three ways to give a key; without any, the platform's own default credentials are used.",
    defaultText: "the platform's own credentials",
    example: '',
    isSecret: true,
  }),
  GCP_SA_KEY: optional(parseServiceAccountJson, {
    section: 'google',
    help: 'Key file of a Google service account, as JSON.',
    defaultText: "the platform's own credentials",
    example: '',
    isSecret: true,
  }),
  GCP_CREDENTIALS_PATH: optional(plainText, {
    section: 'google',
    help: 'Path of the key file of a Google service account.',
    defaultText: "the platform's own credentials",
    example: './service-account.json',
  }),
  STORAGE_EMULATOR_HOST: optional(emulatorUrl, {
    section: 'google',
    help: 'Address of a GCS emulator, with or without http://. No Google credentials are used then.',
    defaultText: 'Google Cloud Storage',
    example: '127.0.0.1:4443',
    isUrl: true,
  }),
  SECRET_MANAGER_EMULATOR_HOST: optional(emulatorUrl, {
    section: 'google',
    help: 'Address of an emulator of Google Secret Manager, with or without http://, for references gcp-sm:... No Google credentials are used there.',
    defaultText: 'Google Secret Manager',
    example: '127.0.0.1:4444',
    isUrl: true,
  }),
  REPLICATOR_ALLOW_INSECURE_ENDPOINTS: withDefault(onOff, false, {
    section: 'google',
    help: 'Set to 1 to allow plain http to addresses other than this machine, for S3, GCS and the commands. Objects and credentials then travel unencrypted.',
    defaultText: '0',
    example: '0',
  }),
} as const satisfies Record<string, Setting<unknown>>;
