// docs/iam.md, from the table of permissions that the doctor works with.
import { SECRETS_SECTION } from './iam-secrets.ts';
import {
  AWS_PERMISSIONS,
  type AwsPermission,
  GOOGLE_PERMISSIONS,
  type Resource,
  RESOURCES,
  type Shell,
  SHELLS,
} from '../src/doctor/permissions.ts';

/** The policies, in the order of the page, with what has to be said beside the statements. */
const POLICIES: Readonly<Record<Shell, { readonly title: string; readonly note: string }>> = {
  service: {
    title: 'The service over HTTP',
    note: 'Changes are handed to it by the forwarding function, SNS, EventBridge or your own calls. It never lists or creates buckets, and never writes to the source.',
  },
  service_sqs: {
    title: 'The service with a queue',
    note: 'It takes the messages of `SQS_QUEUE_URL` itself. A queue that is encrypted with a KMS key of yours also needs `kms:Decrypt` on that key.',
  },
  worker: {
    title: 'The stateless worker',
    note: '`replicator worker --from sqs`. It has no database: what it has to look at again later, it sends to the queue itself. With an encrypted queue it also needs `kms:Decrypt` and `kms:GenerateDataKey` on its key.',
  },
  lambda_forward: {
    title: 'The forwarding function',
    note: 'Its execution role. It reads no bucket and needs no permission at S3. `AWSLambdaBasicExecutionRole` has the three permissions of the log, `AWSLambdaSQSQueueExecutionRole` also those that take messages from a queue.',
  },
  lambda_replicate: {
    title: 'The replicating function',
    note: 'Its execution role. At Google it needs the same as the service.',
  },
  setup: {
    title: '`replicator setup notification`',
    note: 'For the person or pipeline that runs it; the service needs none of it. Terraform and the like need the same two.',
  },
  doctor: {
    title: '`replicator doctor`',
    note: 'Run it with the credentials of the service: what it tries is what they need, so it has their policy. Without the permissions below it skips the lines that need them; `--canary` alone cannot do without.',
  },
};

/** The page for people who grant permissions. */
export function iamPage(): string {
  return `${forAws()}

${WHAT_S3_NEEDS}

${forGoogle()}

${SECRETS_SECTION}
`;
}

function forAws(): string {
  return `# Permissions

This page is written by \`npm run docs\` from \`src/doctor/permissions.ts\`; change the table there.

The smallest set for each thing that runs, each permission with the request that needs it. \`replicator doctor\` tries them, one after the other, and names what is missing with its fix: [operations.md](operations.md#is-everything-set-up).

## AWS

Replace the names in capitals. \`SOURCE-BUCKET/*\` may be \`SOURCE-BUCKET/PREFIX*\` where the rules cover no more. In China and GovCloud the ARNs begin with \`arn:aws-cn:\` and \`arn:aws-us-gov:\`.

| permission | on | request that needs it | who needs it | can be left out where |
|---|---|---|---|---|
${AWS_PERMISSIONS.map(rowOf).join('\n')}

${SHELL_NAMES.map(sectionOf).join('\n\n')}

### What the statements do not say

- Do not restrict \`s3:ListBucket\` by an \`s3:prefix\` condition without trying it: a request for a missing object carries no prefix. A listing carries the prefix of the rule.
- With \`S3_EXPECTED_OWNER\` (the account id), every request also demands that the bucket belongs to this account. A bucket of another account is answered with 403, and the message says so.
- Objects encrypted with a customer's key (SSE-C) cannot be read by anybody else and are parked as \`customer_key_needed\`.
- \`AWS_ROLE_ARN\`: the credentials that are there need \`sts:AssumeRole\` on that role, the role's trust policy has to name them, and the role has the policy.
- Settings that refer to a secret: see [Secrets kept elsewhere](#secrets-kept-elsewhere).
- **Credentials.** \`AWS_ACCESS_KEY_ID\` and \`AWS_SECRET_ACCESS_KEY\` (with \`AWS_SESSION_TOKEN\` for temporary ones), or none: then the default chain of the AWS SDK finds a profile, a web identity, a container role or an instance role, and renews what expires. Prefer the latter.`;
}

const WHAT_S3_NEEDS = `## What S3 needs

S3 sends notifications only where it is allowed to. Each statement names the bucket and the account that owns it, or anybody's bucket could use the destination. \`setup notification\` prints the statement with your names when S3 refuses a destination.

| destination | what allows it |
|---|---|
| function | \`aws lambda add-permission --function-name NAME --statement-id s3-notification --action lambda:InvokeFunction --principal s3.amazonaws.com --source-arn arn:aws:s3:::SOURCE-BUCKET --source-account ACCOUNT-ID\` |
| queue | the statement below in the queue's policy |
| topic | the same in the topic's policy, with \`sns:Publish\` and the topic's ARN |
| a queue behind a topic | \`sqs:SendMessage\` for the service \`sns.amazonaws.com\` in the queue's policy, where \`aws:SourceArn\` is the topic |
| a queue behind an EventBridge rule | \`sqs:SendMessage\` for the service \`events.amazonaws.com\` in the queue's policy, where \`aws:SourceArn\` is the rule |

\`\`\`json
${jsonOf({
  Sid: 'cross-cloud-replicator',
  Effect: 'Allow',
  Principal: { Service: 's3.amazonaws.com' },
  Action: 'sqs:SendMessage',
  Resource: RESOURCES.queue,
  Condition: {
    ArnLike: { 'aws:SourceArn': RESOURCES.source_bucket },
    StringEquals: { 'aws:SourceAccount': 'ACCOUNT-ID' },
  },
})}
\`\`\`

A queue or topic that is encrypted with KMS needs a key of yours, whose policy allows \`kms:GenerateDataKey\` and \`kms:Decrypt\` to \`s3.amazonaws.com\`; the key that AWS manages cannot be used.`;

function forGoogle(): string {
  return `## Google

| permission | request that needs it | |
|---|---|---|
${GOOGLE_PERMISSIONS.map(({ permission, call, isNeeded }) => `| \`${permission}\` | ${call} | ${isNeeded ? '' : 'only for the doctor, which skips that line without it'} |`).join('\n')}

\`roles/storage.objectUser\` on the bucket has all that is needed. Or a custom role:

\`\`\`yaml
title: S3 replicator
stage: GA
includedPermissions:
${GOOGLE_PERMISSIONS.filter(({ isNeeded }) => isNeeded)
  .map(({ permission }) => `  - ${permission}`)
  .join('\n')}
\`\`\`

\`\`\`sh
gcloud iam roles create s3Replicator --project=PROJECT --file=role.yaml
gcloud storage buckets add-iam-policy-binding gs://TARGET-BUCKET \\
  --member=serviceAccount:NAME@PROJECT.iam.gserviceaccount.com \\
  --role=projects/PROJECT/roles/s3Replicator
\`\`\`

Bind it on the bucket, not on the project. New grants take a minute or more until they work everywhere; a transfer that was parked meanwhile is redriven.

\`roles/storage.objectCreator\` is not enough: the first upload works, and the first overwrite is refused.

**A key of your own** (\`kmsKeyName\` in a rule, or the bucket's default): the bucket's Cloud Storage service agent needs \`roles/cloudkms.cryptoKeyEncrypterDecrypter\` on it, not the service account.

**Credentials.** One of \`GCP_SA_KEY_B64\`, \`GCP_SA_KEY\`, \`GCP_CREDENTIALS_PATH\`, or none: then the application default credentials (\`GOOGLE_APPLICATION_CREDENTIALS\`, the metadata server of a Google machine). The scope that is asked for is \`devstorage.read_write\`.`;
}

const SHELL_NAMES = Object.keys(SHELLS).filter((name): name is Shell => Object.hasOwn(SHELLS, name));

function rowOf({ action, resource, call, shells, unless }: AwsPermission): string {
  const who = shells.map((shell) => SHELLS[shell]).join(', ');
  return `| \`${action}\` | \`${RESOURCES[resource]}\` | ${call} | ${who} | ${unless ?? ''} |`;
}

function sectionOf(shell: Shell): string {
  const { title, note } = POLICIES[shell];
  const permissions = AWS_PERMISSIONS.filter(({ shells }) => shells.includes(shell));
  return `### ${title}

${note}

\`\`\`json
${jsonOf({ Version: '2012-10-17', Statement: statementsOf(permissions) })}
\`\`\``;
}

/** One statement for each resource, in the order of the table. */
function statementsOf(permissions: readonly AwsPermission[]): readonly object[] {
  const resources = [...new Set(permissions.map(({ resource }) => resource))];
  return resources.map((resource) => {
    const actions = permissions.filter((one) => one.resource === resource).map(({ action }) => action);
    return {
      Sid: SIDS[resource],
      Effect: 'Allow',
      Action: actions.length === 1 ? actions[0] : actions,
      Resource: RESOURCES[resource],
      ...(resource === 'source_key'
        ? { Condition: { StringEquals: { 'kms:ViaService': 's3.REGION.amazonaws.com' } } }
        : {}),
    };
  });
}

const SIDS: Record<Resource, string> = {
  source_objects: 'ReadObjects',
  source_bucket: 'LookAtTheBucket',
  canary_objects: 'PutAndRemoveTheCanary',
  source_key: 'DecryptThroughS3',
  queue: 'UseTheQueue',
  failure_queue: 'KeepWhatFailed',
  log: 'WriteTheLog',
};

/** Lists of texts stand on one line. */
function jsonOf(value: object): string {
  return JSON.stringify(value, null, 2).replaceAll(/\[\n\s+("[^\]]*?")\n\s+\]/g, (_, inner: string) => {
    const items = inner.split(/,\n\s+/);
    return items.every((item) => item.startsWith('"')) ? `[${items.join(', ')}]` : _;
  });
}
