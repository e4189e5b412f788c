// A whole cloud on this machine for the commands that run on their own: S3 that delivers to queues, topics and
// functions and asks their policies, a target, and the command with its real drivers and a configuration of the test.
import type { TestContext } from 'node:test';
import { type CloudFunction, cloudDestinations } from '../../sandbox/cloud-destinations.ts';
import { startSandboxEventBridge } from '../../sandbox/eventbridge/sandbox-event-bridge.ts';
import { type SandboxGcs, startSandboxGcs } from '../../sandbox/gcs/sandbox-gcs.ts';
import { type SandboxS3, startSandboxS3 } from '../../sandbox/s3/sandbox-s3.ts';
import { type SandboxSns, startSandboxSns } from '../../sandbox/sns/sandbox-sns.ts';
import { type SandboxSqs, startSandboxSqs } from '../../sandbox/sqs/sandbox-sqs.ts';
import { type CommandEnd, type CommandOptions, runOwnCommand } from './own-command.ts';

export const KEYS = { accessKeyId: 'SANDBOXACCESSKEY', secretAccessKey: 'sandbox-secret-key' };
export const ACCOUNT = '123456789012';
export const REGION = 'us-east-1';
export const FUNCTION_ARN = `arn:aws:lambda:${REGION}:${ACCOUNT}:function:forward`;
export const SOURCE = 'photos';
export const TARGET = 'copies';

type Settings = Readonly<Record<string, string>>;

export interface OwnCloud {
  readonly s3: SandboxS3;
  readonly sqs: SandboxSqs;
  readonly sns: SandboxSns;
  readonly gcs: SandboxGcs;
  /** By ARN; FUNCTION_ARN is there. */
  readonly functions: Map<string, CloudFunction>;
  readonly settings: Settings;
  /** Runs the command; `more` settings win, an empty text takes one away. */
  run(args: readonly string[], more?: Settings, options?: CommandOptions): Promise<CommandEnd>;
}

/** Everything is closed when the test ends. */
export async function startOwnCloud(
  t: TestContext,
  options: { readonly checkPolicies?: boolean; readonly bearerToken?: string } = {},
): Promise<OwnCloud> {
  const s3 = await startSandboxS3({ ...KEYS, accountId: ACCOUNT });
  const sqs = await startSandboxSqs({ ...KEYS, accountId: ACCOUNT });
  const deliverToQueue: typeof sqs.deliver = (...message) => sqs.deliver(...message);
  const sns = await startSandboxSns({ ...KEYS, accountId: ACCOUNT, deliverToQueue });
  const eventBridge = startSandboxEventBridge({ deliverToQueue });
  const { bearerToken } = options;
  const gcs = await startSandboxGcs(bearerToken === undefined ? {} : { bearerToken });
  const functions = new Map<string, CloudFunction>([[FUNCTION_ARN, async () => {}]]);
  const checkPolicies = options.checkPolicies ?? false;
  s3.connect(cloudDestinations({ sqs, sns, eventBridge, functions, checkPolicies }));
  s3.createBucket(SOURCE);
  gcs.createBucket(TARGET);
  t.after(async () => {
    await Promise.all([s3.close(), sqs.close(), sns.close(), eventBridge.close(), gcs.close()]);
  });
  const settings = {
    AWS_ACCESS_KEY_ID: KEYS.accessKeyId,
    AWS_SECRET_ACCESS_KEY: KEYS.secretAccessKey,
    AWS_REGION: REGION,
    AWS_ENDPOINT_URL_S3: s3.url,
    AWS_ENDPOINT_URL_SQS: sqs.url,
    STORAGE_EMULATOR_HOST: gcs.url,
    S3_BUCKET: SOURCE,
    GCS_BUCKET: TARGET,
  };
  return {
    s3,
    sqs,
    sns,
    gcs,
    functions,
    settings,
    run: async (args, more = {}, commandOptions = {}) =>
      runOwnCommand(args, { ...settings, ...more }, commandOptions),
  };
}
