// The settings of the ways in beside plain HTTP calls, and of what they share: a part of the table in settings.ts.
import { readTopicArn } from '../core/sns-topic.ts';
import { readWebhookSecret, WEBHOOK_SECRET_FIX } from '../core/webhook-secret.ts';
import { MASK, Secret } from './secrets.ts';
import { optional, type Setting, withDefault } from './setting.ts';
import { accept, baseUrl, type Parse, refuse, splitList, wholeNumber } from './setting-parsers.ts';

/** The address of a queue, as AWS tells it: scheme, host, account and name. */
const queueUrl: Parse<string> = (text) => {
  const fix =
    'set it to the whole address of the queue, such as https://sqs.eu-central-1.amazonaws.com/111122223333/s3-events';
  if (!URL.canParse(text)) return refuse('is not a URL', fix);
  const url = new URL(text);
  if (url.protocol !== 'https:' && url.protocol !== 'http:')
    return refuse('is not an http or https URL', fix);
  if (url.username !== '' || url.password !== '') return refuse('carries a user name or password', fix);
  if (url.search !== '' || url.hash !== '') return refuse('carries more than the address of a queue', fix);
  if (!/^\/([^/]+\/)*[A-Za-z0-9_-]{1,80}(\.fifo)?$/.test(url.pathname))
    return refuse('does not end with the name of a queue', fix);
  if (/^\/\d{12}$/.test(url.pathname))
    return refuse('ends with the number of an account, without the name of a queue', fix);
  return accept(url.href);
};

const topicArns: Parse<readonly string[]> = (text) => {
  const fix = 'set it to the ARNs of topics, such as arn:aws:sns:eu-central-1:111122223333:s3-events';
  const arns = splitList(text);
  if (arns.length === 0) return refuse('names no topic', fix);
  const wrong = arns.findIndex((arn) => readTopicArn(arn) === null);
  if (wrong >= 0) return refuse(`entry ${wrong + 1} is not the ARN of a standard topic`, fix);
  if (new Set(arns).size !== arns.length) return refuse('names a topic twice', 'name every topic once');
  return accept(arns);
};

const webhookSecrets: Parse<readonly Secret<Uint8Array>[]> = (text) => {
  const secrets: Secret<Uint8Array>[] = [];
  for (const [index, entry] of splitList(text).entries()) {
    const read = readWebhookSecret(entry);
    if ('problem' in read) return refuse(`entry ${index + 1} ${read.problem}`, WEBHOOK_SECRET_FIX);
    secrets.push(new Secret(read.secret));
  }
  return secrets.length === 0 ? refuse('holds no secret', WEBHOOK_SECRET_FIX) : accept(secrets);
};

/** The one secret by which a caller signs. */
export const webhookSecret: Parse<Secret<Uint8Array>> = (text) => {
  const read = readWebhookSecret(text);
  return 'problem' in read
    ? refuse(read.problem, "set it to one entry of the service's REPLICATOR_WEBHOOK_SECRETS")
    : accept(new Secret(read.secret));
};

const roleArn: Parse<string> = (text) =>
  /^arn:aws[a-z-]*:iam::\d{12}:role\/[\w+=,.@/-]{1,512}$/.test(text)
    ? accept(text)
    : refuse(
        'is not the ARN of a role',
        'set it to an ARN such as arn:aws:iam::111122223333:role/replicator-source',
      );

const databaseUrl: Parse<Secret> = (text) => {
  const fix = 'set it to postgres://user:password@host:5432/database; sslmode and the like may follow';
  if (!URL.canParse(text)) return refuse('is not a URL', fix);
  const url = new URL(text);
  if (url.protocol !== 'postgres:' && url.protocol !== 'postgresql:')
    return refuse('is not the address of a PostgreSQL database', fix);
  if (url.pathname.length < 2) return refuse('names no database', fix);
  return accept(new Secret(text));
};

export const INTAKE_SETTINGS = {
  SQS_QUEUE_URL: optional(queueUrl, {
    section: 'intake',
    help: 'An SQS queue whose messages are S3 notifications, directly, through SNS or through EventBridge. The service takes them itself, so that it needs no address that AWS can reach. "replicator worker --from sqs" copies straight from it.',
    defaultText: 'none: no queue is polled',
    example: 'https://sqs.eu-central-1.amazonaws.com/111122223333/s3-events',
  }),
  AWS_ENDPOINT_URL_SQS: optional(baseUrl, {
    section: 'intake',
    help: 'Address of an SQS-compatible service.',
    defaultText: 'AWS_ENDPOINT_URL, else the host of SQS_QUEUE_URL',
    example: 'http://127.0.0.1:9002',
    isUrl: true,
  }),
  SQS_VISIBILITY_SEC: withDefault(wholeNumber(12, 3600), 120, {
    section: 'intake',
    help: 'Seconds for which "replicator worker --from sqs" hides a message, again and again while it works on it. So long after a worker died its messages are received by others.',
    defaultText: '120',
    example: '120',
  }),
  SNS_TOPIC_ARNS: withDefault(topicArns, [], {
    section: 'intake',
    help: 'Topics of Amazon SNS whose HTTPS deliveries to /v1/events are accepted, each after its signature was checked. A list, separated by commas. Subscriptions of these topics are confirmed, of no others.',
    defaultText: 'none: SNS deliveries are refused',
    example: 'arn:aws:sns:eu-central-1:111122223333:s3-events',
  }),
  AWS_ENDPOINT_URL_SNS: optional(baseUrl, {
    section: 'intake',
    help: 'Address of something that speaks for Amazon SNS. Certificates of signatures and confirmations of subscriptions then come from there, and from nowhere else.',
    defaultText: 'AWS_ENDPOINT_URL, else Amazon SNS in the region of each topic',
    example: 'http://127.0.0.1:9004',
    isUrl: true,
  }),
  REPLICATOR_WEBHOOK_SECRETS: withDefault(webhookSecrets, [], {
    section: 'intake',
    help: 'Secrets of signed calls (Standard Webhooks: webhook-id, webhook-timestamp, webhook-signature): a list of whsec_ and base64, separated by commas; several at once allow rotation. A signed call may hand over changes and nothing else.',
    defaultText: 'none: signed calls are refused',
    example: '',
    isSecret: true,
    isList: true,
  }),
  CALLER_RATE_LIMIT: withDefault(wholeNumber(0, 1_000_000), 5_000, {
    section: 'intake',
    help: 'Changes per second that one caller (an API key, the signed calls, an SNS topic) may hand over in the long run; what it did not use within 20 seconds may come at once. Beyond it the answer is 429 with Retry-After. Counts where callers show keys or sign. 0: no limit.',
    defaultText: '5000',
    example: '500',
  }),
  AWS_ROLE_ARN: optional(roleArn, {
    section: 'aws',
    help: 'A role to assume for every call to AWS, with the credentials found. Together with AWS_WEB_IDENTITY_TOKEN_FILE it belongs to the platform and is used as everywhere.',
    defaultText: 'none: the credentials are used as they are',
    example: 'arn:aws:iam::111122223333:role/replicator-source',
  }),
  DATABASE_URL: optional(databaseUrl, {
    section: 'storage',
    help: 'Address of a PostgreSQL database that holds the queue instead of the file in REPLICATOR_DATA_DIR. Any number of processes may share it.',
    defaultText: 'none: one process and its SQLite file',
    example: 'postgres://replicator:password@127.0.0.1:5432/replicator',
    isSecret: true,
    show: showDatabase,
  }),
} as const satisfies Record<string, Setting<unknown>>;

/** Host and database; who asks and with which password is left out. */
function showDatabase(text: string): string {
  if (!URL.canParse(text)) return MASK;
  const { protocol, host, pathname } = new URL(text);
  // Anything else may be a password in the wrong place.
  return /^\/[\w-]{1,63}$/.test(pathname) ? `${protocol}//${MASK}@${host}${pathname}` : MASK;
}
