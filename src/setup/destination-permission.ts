// What S3 needs before it may send to a function, a queue or a topic: the statement for its policy and the commands
// that add it. Bucket and account are both named, or anybody's bucket could use the destination.
import { partitionOf, regionOfArn } from './destination.ts';
import type { Destination } from './wanted-notifications.ts';

export interface PermissionAdvice {
  readonly title: string;
  /** The statement of the destination's policy; null for a function, whose command makes it. */
  readonly statement: object | null;
  /** To be run in this order. */
  readonly commands: readonly string[];
  /** What else may be the reason. */
  readonly notes: readonly string[];
}

interface Sender {
  readonly bucket: string;
  /** The account that owns the bucket; null where it is not known. */
  readonly account: string | null;
  /** Where the bucket is. */
  readonly region: string;
}

const UNKNOWN_ACCOUNT = 'ACCOUNT-ID';

/** How to allow S3 to send what this bucket announces to the destination. */
export function permissionAdvice(destination: Destination, sender: Sender): PermissionAdvice {
  const { title, statement, commands, encrypted } = WAYS[destination.kind](destination.arn, sender);
  const region = regionOfArn(destination.arn);
  const notes = [
    ...(region === null || region === sender.region
      ? []
      : [`It is in ${region}, and the bucket in ${sender.region}: both have to be in the same region.`]),
    ...(sender.account === null
      ? [
          `${UNKNOWN_ACCOUNT} is the account that owns the bucket: aws sts get-caller-identity --query Account --output text`,
        ]
      : []),
    ...(encrypted === null ? [] : [encrypted]),
  ];
  return { title, statement, commands, notes };
}

interface Way {
  readonly title: string;
  readonly statement: object | null;
  readonly commands: readonly string[];
  readonly encrypted: string | null;
}

const WAYS: Readonly<Record<Destination['kind'], (arn: string, sender: Sender) => Way>> = {
  function: (arn, sender) => ({
    title: `Allow S3 to call the function ${arn} (lambda:InvokeFunction in its resource policy)`,
    statement: null,
    commands: [
      [
        'aws lambda add-permission',
        `--function-name ${arn}`,
        `--statement-id ${statementId(sender.bucket)}`,
        '--action lambda:InvokeFunction',
        '--principal s3.amazonaws.com',
        `--source-arn ${bucketArn(sender)}`,
        `--source-account ${sender.account ?? UNKNOWN_ACCOUNT}`,
        `--region ${regionOfArn(arn) ?? sender.region}`,
      ].join(' '),
    ],
    encrypted: null,
  }),
  queue: (arn, sender) => {
    const [, , , region = '', account = '', name = ''] = arn.split(':');
    const queue = `"$(aws sqs get-queue-url --region ${region} --queue-owner-aws-account-id ${account} --queue-name ${name} --query QueueUrl --output text)"`;
    const statement = statementFor('sqs:SendMessage', arn, sender);
    return {
      title: `Allow S3 to send to the queue ${arn} (sqs:SendMessage in the queue's policy)`,
      statement,
      commands: [
        `aws sqs get-queue-attributes --region ${region} --queue-url ${queue} --attribute-names Policy`,
        `aws sqs set-queue-attributes --region ${region} --queue-url ${queue} --attributes '${JSON.stringify({ Policy: policyText(statement) })}'`,
      ],
      encrypted: encryptedNote('queue'),
    };
  },
  topic: (arn, sender) => {
    const region = regionOfArn(arn) ?? sender.region;
    const statement = statementFor('sns:Publish', arn, sender);
    return {
      title: `Allow S3 to publish to the topic ${arn} (sns:Publish in the topic's policy)`,
      statement,
      commands: [
        `aws sns get-topic-attributes --region ${region} --topic-arn ${arn} --query Attributes.Policy --output text`,
        `aws sns set-topic-attributes --region ${region} --topic-arn ${arn} --attribute-name Policy --attribute-value '${policyText(statement)}'`,
      ],
      encrypted: encryptedNote('topic'),
    };
  },
};

function statementFor(action: string, arn: string, sender: Sender): object {
  return {
    Sid: statementId(sender.bucket),
    Effect: 'Allow',
    Principal: { Service: 's3.amazonaws.com' },
    Action: action,
    Resource: arn,
    Condition: {
      ArnLike: { 'aws:SourceArn': bucketArn(sender) },
      StringEquals: { 'aws:SourceAccount': sender.account ?? UNKNOWN_ACCOUNT },
    },
  };
}

function policyText(statement: object): string {
  return JSON.stringify({ Version: '2012-10-17', Statement: [statement] });
}

function bucketArn({ bucket, region }: Sender): string {
  return `arn:${partitionOf(region)}:s3:::${bucket}`;
}

/** Letters, digits, hyphens and underscores only. */
function statementId(bucket: string): string {
  return `cross-cloud-replicator-${bucket.replaceAll(/[^A-Za-z0-9_-]/g, '-')}`;
}

function encryptedNote(what: 'queue' | 'topic'): string {
  return `The second command replaces the ${what}'s whole policy: where the first one shows a policy, add the statement to it. A ${what} that is encrypted with a KMS key also needs s3.amazonaws.com to be allowed kms:GenerateDataKey and kms:Decrypt in the key's own policy; the key that AWS manages cannot be used.`;
}
