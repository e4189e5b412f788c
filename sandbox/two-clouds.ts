// Two clouds on this machine: one with S3, SQS, SNS, STS and an event bus, one with GCS, one bucket each, and the
// settings under which the service, the vendors' SDKs and other tools use them.
import { Keyring } from './aws/keyring.ts';
import { type CloudFunction, cloudDestinations } from './cloud-destinations.ts';
import type { DeliveryTrouble } from './delivery-trouble.ts';
import { type SandboxEventBridge, startSandboxEventBridge } from './eventbridge/sandbox-event-bridge.ts';
import { startSandboxGcs, type SandboxGcs, type SandboxGcsOptions } from './gcs/sandbox-gcs.ts';
import { startSandboxS3, type SandboxS3 } from './s3/sandbox-s3.ts';
import { type SandboxSns, startSandboxSns } from './sns/sandbox-sns.ts';
import { type SandboxSqs, startSandboxSqs } from './sqs/sandbox-sqs.ts';
import { type SandboxSts, startSandboxSts } from './sts/sandbox-sts.ts';

/** Credentials of the sandbox only: they open nothing else. */
export const SANDBOX_KEYS = {
  accessKeyId: 'SANDBOXACCESSKEY',
  secretAccessKey: 'sandbox-secret-key',
} as const;
/** The account that owns the source bucket. */
export const SANDBOX_ACCOUNT_ID = '123456789012';
export const SOURCE_BUCKET = 'demo-source';
export const TARGET_BUCKET = 'demo-target';
/** A message that was received five times goes to the queue of this name with `-dead` behind it. */
export const CHANGES_QUEUE = 'demo-changes';

export interface TwoCloudsOptions {
  /** Ports; 0 picks a free one. */
  readonly s3: number;
  readonly gcs: number;
  /** 0 by default. */
  readonly sqs?: number;
  readonly keepBytes?: boolean;
  /** The target answers 429 to a second change of one name within a second; false by default. */
  readonly rateLimitPerObject?: boolean;
  readonly onTargetChange?: SandboxGcsOptions['onChange'];
  /** The target's clock; the machine's by default. */
  readonly targetNowMs?: () => number;
  /** `sqs`: the source bucket's notifications go to the queue, and the settings name it. `none` by default. */
  readonly through?: 'none' | 'sqs';
  /** What goes wrong in the queue; nothing by default. */
  readonly delivery?: DeliveryTrouble;
  /** Whether a queue's policy must let S3 send to it; false by default. */
  readonly checkPolicies?: boolean;
}

export interface TwoClouds {
  readonly s3: SandboxS3;
  readonly gcs: SandboxGcs;
  readonly sqs: SandboxSqs;
  readonly sns: SandboxSns;
  readonly sts: SandboxSts;
  readonly eventBridge: SandboxEventBridge;
  /** Functions that notification configurations can name, by ARN. */
  readonly functions: Map<string, CloudFunction>;
  /** Settings of the service for these clouds. */
  readonly settings: Readonly<Record<string, string>>;
  /** Settings that let it take its changes from the queue; part of `settings` where they go through it. */
  readonly queueSettings: Readonly<Record<string, string>>;
  close(): Promise<void>;
}

/** Starts all on loopback. Without `keepBytes` the target keeps only sizes and checksums. */
export async function startTwoClouds(options: TwoCloudsOptions): Promise<TwoClouds> {
  const aws = await startAws(options);
  const gcs = await startSandboxGcs({
    port: options.gcs,
    keepBytes: options.keepBytes ?? true,
    rateLimitPerObject: options.rateLimitPerObject ?? false,
    ...(options.targetNowMs === undefined ? {} : { nowMs: options.targetNowMs }),
    ...(options.onTargetChange === undefined ? {} : { onChange: options.onTargetChange }),
  });
  gcs.createBucket(TARGET_BUCKET);
  const { s3, sqs, sns, sts, eventBridge } = aws;
  const queueSettings = {
    AWS_ENDPOINT_URL_SQS: sqs.url,
    SQS_QUEUE_URL: sqs.queueUrl(CHANGES_QUEUE),
  };
  return {
    ...aws,
    gcs,
    settings: {
      AWS_ACCESS_KEY_ID: SANDBOX_KEYS.accessKeyId,
      AWS_SECRET_ACCESS_KEY: SANDBOX_KEYS.secretAccessKey,
      AWS_REGION: 'us-east-1',
      AWS_ENDPOINT_URL_S3: s3.url,
      STORAGE_EMULATOR_HOST: gcs.url,
      S3_BUCKET: SOURCE_BUCKET,
      GCS_BUCKET: TARGET_BUCKET,
      ...(options.through === 'sqs' ? queueSettings : {}),
    },
    queueSettings,
    async close() {
      await Promise.all([s3, sqs, sns, sts, eventBridge, gcs].map(async (service) => service.close()));
    },
  };
}

type Aws = Omit<TwoClouds, 'gcs' | 'settings' | 'queueSettings' | 'close'>;

async function startAws(options: TwoCloudsOptions): Promise<Aws> {
  const keyring = new Keyring(SANDBOX_ACCOUNT_ID, SANDBOX_KEYS);
  const account = { ...SANDBOX_KEYS, accountId: SANDBOX_ACCOUNT_ID, keyring };
  const s3 = await startSandboxS3({ port: options.s3, ...account });
  s3.createBucket(SOURCE_BUCKET);
  const sqs = await startSandboxSqs({ port: options.sqs ?? 0, ...account });
  const { delivery, checkPolicies = false } = options;
  sqs.createQueue(`${CHANGES_QUEUE}-dead`);
  const deadLetterTargetArn = sqs.queueArn(`${CHANGES_QUEUE}-dead`);
  const RedrivePolicy = JSON.stringify({ deadLetterTargetArn, maxReceiveCount: 5 });
  sqs.createQueue(CHANGES_QUEUE, { RedrivePolicy }, delivery === undefined ? {} : { delivery });
  const deliverToQueue: SandboxSqs['deliver'] = (arn, body, attributes) => sqs.deliver(arn, body, attributes);
  const sns = await startSandboxSns({ ...account, deliverToQueue });
  const sts = await startSandboxSts({ keyring });
  const eventBridge = startSandboxEventBridge({ deliverToQueue });
  const functions = new Map<string, CloudFunction>();
  s3.connect(cloudDestinations({ sqs, sns, eventBridge, functions, checkPolicies }));
  if (options.through === 'sqs')
    s3.configureNotification(SOURCE_BUCKET, {
      rules: [
        {
          id: 'sandbox',
          kind: 'Queue',
          arn: sqs.queueArn(CHANGES_QUEUE),
          events: ['s3:ObjectCreated:*', 's3:ObjectRemoved:*'],
          prefix: null,
          suffix: null,
        },
      ],
      eventBridge: false,
    });
  return { s3, sqs, sns, sts, eventBridge, functions };
}
