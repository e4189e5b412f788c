// Every permission that anything of ours uses: on what, for which call, and who needs it. docs/iam.md is written from
// this table, and the doctor asks Google for what it says.

/** Who runs with the permissions of one policy. */
export const SHELLS = {
  service: 'service over HTTP',
  service_sqs: 'service with a queue',
  worker: 'stateless worker',
  lambda_forward: 'forwarding function',
  lambda_replicate: 'replicating function',
  setup: 'setup',
  doctor: 'doctor',
} as const;

export type Shell = keyof typeof SHELLS;

/** What a permission is granted on. */
export const RESOURCES = {
  source_objects: 'arn:aws:s3:::SOURCE-BUCKET/*',
  source_bucket: 'arn:aws:s3:::SOURCE-BUCKET',
  canary_objects: 'arn:aws:s3:::SOURCE-BUCKET/*.replicator-doctor/*',
  source_key: 'arn:aws:kms:REGION:ACCOUNT-ID:key/KEY-ID',
  queue: 'arn:aws:sqs:REGION:ACCOUNT-ID:QUEUE',
  failure_queue: 'arn:aws:sqs:REGION:ACCOUNT-ID:replicator-failures',
  log: 'arn:aws:logs:REGION:ACCOUNT-ID:log-group:/aws/lambda/*',
} as const;

export type Resource = keyof typeof RESOURCES;

export interface AwsPermission {
  readonly action: string;
  readonly resource: Resource;
  /** The request that needs it. */
  readonly call: string;
  readonly shells: readonly Shell[];
  /** When it can be left out; null where it never can. */
  readonly unless: string | null;
}

const READERS: readonly Shell[] = ['service', 'service_sqs', 'worker', 'lambda_replicate'];
const POLLED: readonly Shell[] = ['service_sqs', 'worker', 'lambda_forward', 'lambda_replicate'];
const NO_QUEUE_BEFORE = 'for a function: no queue calls it';

export const AWS_PERMISSIONS: readonly AwsPermission[] = [
  {
    action: 's3:GetObject',
    resource: 'source_objects',
    call: 'HEAD and GET of an object: to look at it and to read it',
    shells: READERS,
    unless: null,
  },
  {
    action: 's3:GetObjectVersion',
    resource: 'source_objects',
    call: 'GET with a version and a range: a long read that was cut goes on with the version it began with',
    shells: READERS,
    unless: 'the bucket never had versions',
  },
  {
    action: 's3:ListBucket',
    resource: 'source_bucket',
    call: 'ListObjectsV2 of backfills and reconciles; and every GET of an object that is missing, which S3 answers 403 without it',
    shells: READERS,
    unless: null,
  },
  {
    action: 'kms:Decrypt',
    resource: 'source_key',
    call: 'GET of an object that is encrypted with SSE-KMS',
    shells: READERS,
    unless: 'no object is encrypted with a KMS key of yours',
  },
  {
    action: 'sqs:ReceiveMessage',
    resource: 'queue',
    call: 'ReceiveMessage (for a function: by Lambda, in the name of its role)',
    shells: POLLED,
    unless: NO_QUEUE_BEFORE,
  },
  {
    action: 'sqs:DeleteMessage',
    resource: 'queue',
    call: 'DeleteMessageBatch, after everything in the message is stored or done',
    shells: POLLED,
    unless: NO_QUEUE_BEFORE,
  },
  {
    action: 'sqs:ChangeMessageVisibility',
    resource: 'queue',
    call: 'ChangeMessageVisibilityBatch: to keep a message while it is worked on, or to give it back at once',
    shells: ['service_sqs', 'worker', 'lambda_replicate'],
    unless: NO_QUEUE_BEFORE,
  },
  {
    action: 'sqs:GetQueueAttributes',
    resource: 'queue',
    call: 'GetQueueAttributes at the start and for the number of waiting messages',
    shells: POLLED,
    unless: NO_QUEUE_BEFORE,
  },
  {
    action: 'sqs:SendMessage',
    resource: 'queue',
    call: 'SendMessageBatch: a message to look at an object once more, later',
    shells: ['worker', 'lambda_replicate'],
    unless: NO_QUEUE_BEFORE,
  },
  {
    action: 'sqs:SendMessage',
    resource: 'failure_queue',
    call: 'the on-failure destination, by Lambda in the name of the role',
    shells: ['lambda_forward', 'lambda_replicate'],
    unless: 'a queue calls the function: its own dead letters then do this',
  },
  {
    action: 'logs:CreateLogGroup',
    resource: 'log',
    call: 'the first line of the log',
    shells: ['lambda_forward', 'lambda_replicate'],
    unless: 'the log group is there',
  },
  {
    action: 'logs:CreateLogStream',
    resource: 'log',
    call: 'the first line of an instance',
    shells: ['lambda_forward', 'lambda_replicate'],
    unless: null,
  },
  {
    action: 'logs:PutLogEvents',
    resource: 'log',
    call: 'every line',
    shells: ['lambda_forward', 'lambda_replicate'],
    unless: null,
  },
  {
    action: 's3:GetBucketNotification',
    resource: 'source_bucket',
    call: 'GetBucketNotificationConfiguration, before and after a write',
    shells: ['setup', 'doctor'],
    unless: null,
  },
  {
    action: 's3:PutBucketNotification',
    resource: 'source_bucket',
    call: 'PutBucketNotificationConfiguration, with `--apply`',
    shells: ['setup'],
    unless: 'only the plan is wanted',
  },
  {
    action: 's3:GetBucketVersioning',
    resource: 'source_bucket',
    call: 'GetBucketVersioning',
    shells: ['doctor'],
    unless: 'the line about versions may be skipped',
  },
  {
    action: 's3:PutObject',
    resource: 'canary_objects',
    call: 'PutObject of the canary',
    shells: ['doctor'],
    unless: '`--canary` is not used',
  },
  {
    action: 's3:DeleteObject',
    resource: 'canary_objects',
    call: 'DeleteObject of the canary',
    shells: ['doctor'],
    unless: '`--canary` is not used',
  },
  {
    action: 's3:DeleteObjectVersion',
    resource: 'canary_objects',
    call: 'DeleteObject of the version that the canary is, so that no delete marker stays',
    shells: ['doctor'],
    unless: 'the bucket has no versions, or `--canary` is not used',
  },
];

export interface GooglePermission {
  readonly permission: string;
  readonly call: string;
  /** False for what only the doctor uses, and can do without. */
  readonly isNeeded: boolean;
}

export const GOOGLE_PERMISSIONS: readonly GooglePermission[] = [
  {
    permission: 'storage.objects.create',
    call: 'insert and resumable upload: to write an object',
    isNeeded: true,
  },
  { permission: 'storage.objects.get', call: 'get: to look at what is there', isNeeded: true },
  {
    permission: 'storage.objects.update',
    call: 'patch: to write metadata where the bytes are there already',
    isNeeded: true,
  },
  {
    permission: 'storage.objects.list',
    call: 'list, in a reconcile; and every get of an object that is missing, which is answered 403 without it',
    isNeeded: true,
  },
  {
    permission: 'storage.objects.delete',
    call: 'insert over an existing object, for which Google Cloud Storage asks for it; and delete, for mirrored deletes (`DELETES=mirror`)',
    isNeeded: true,
  },
  {
    permission: 'storage.buckets.get',
    call: 'the doctor tells versions, retention and soft delete of the bucket',
    isNeeded: false,
  },
];

/** What the service needs on a target bucket. */
export function neededAtTarget(): readonly string[] {
  return GOOGLE_PERMISSIONS.filter(({ isNeeded }) => isNeeded).map(({ permission }) => permission);
}
