// What the command `doctor` asks, opened from the configuration: the drivers of the service, and the few calls beside
// the data path.
import { randomUUID } from 'node:crypto';
import { askCallerIdentity } from '../aws/caller-identity.ts';
import { openNotificationStore } from '../aws/notification-store.ts';
import { openSourceBucketAccess } from '../aws/source-bucket.ts';
import type { CredentialsProvider } from '../aws/credentials.ts';
import type { Config, Secrets } from '../config/config.ts';
import type { CallerIdentity } from '../core/bucket-access.ts';
import { Fault } from '../core/faults.ts';
import type { DoctorParts } from '../doctor/doctor-parts.ts';
import { openSqsMessageQueue } from '../messages/sqs/sqs-message-queue.ts';
import { openS3Calls } from './open-s3-calls.ts';
import { openAwsCredentials, openSource, type StoresRequest, targetOptions } from './open-stores.ts';
import { arnOfQueueUrl } from '../setup/destination.ts';
import { openTargetBucketAccess } from '../stores/gcs/bucket-access.ts';
import { openGcsTarget } from '../stores/gcs/gcs-target.ts';
import { s3Origin } from '../stores/s3/addressing.ts';

const CONNECTIONS = 4;
const GOOGLE = 'https://storage.googleapis.com';

/** Nothing is sent before the first check; disposing of it ends its connections. */
export async function openDoctor(
  request: StoresRequest & {
    readonly config: Pick<Config, 'intake'>;
    readonly secrets: Pick<Secrets, 'databaseUrl'>;
  },
): Promise<DoctorParts & AsyncDisposable> {
  const { config, secrets, clock } = request;
  await using opened = new AsyncDisposableStack();
  const credentials = openAwsCredentials(request);
  const calls = opened.adopt(await openS3Calls(request, credentials), (open) => open.close());
  const anyOwner = config.rules.map((rule) => ({ ...rule, source: { ...rule.source, expectedOwner: null } }));
  const ownerless = { ...request, config: { ...config, rules: anyOwner } };
  const objects = opened.adopt(await openSource(request, credentials, CONNECTIONS), (open) => open.close());
  const objectsOfAnyOwner = opened.adopt(await openSource(ownerless, credentials, CONNECTIONS), (open) =>
    open.close(),
  );
  const gcs = targetOptions(request, CONNECTIONS);
  const target = opened.adopt(await openGcsTarget(gcs), (open) => open.close());
  const targetBuckets = opened.adopt(openTargetBucketAccess(gcs), (open) => open.close());
  const { region, endpoint } = config.source;
  const { accessToken } = gcs;
  const queue = await openQueue(config, { credentials, clock }, opened);
  const all = opened.move();
  return {
    rules: config.rules,
    clock,
    newId: randomUUID,
    callerIdentity: async (signal) => askIdentity({ region, endpoint, credentials }, signal),
    source: {
      name: endpoint ?? `Amazon S3 in ${region}`,
      origin: endpoint ?? s3Origin(region),
      objects,
      objectsOfAnyOwner,
      buckets: openSourceBucketAccess(calls),
      notifications: openNotificationStore(calls),
    },
    target: {
      name: config.target.endpoint ?? 'Google Cloud Storage',
      origin: config.target.endpoint ?? GOOGLE,
      objects: target,
      buckets: targetBuckets,
      authorize: accessToken === null ? null : async () => accessToken.get(),
    },
    queue,
    database: databaseOf(secrets.databaseUrl),
    [Symbol.asyncDispose]: async () => all.disposeAsync(),
  };
}

function databaseOf(url: Secrets['databaseUrl']): DoctorParts['database'] {
  if (url === null) return null;
  return {
    look: async () => (await import('../queues/postgres/look-at-database.ts')).lookAtDatabase(url.reveal()),
  };
}

async function askIdentity(
  options: Parameters<typeof askCallerIdentity>[0],
  signal: AbortSignal,
): Promise<CallerIdentity> {
  const { endpoint } = options;
  try {
    return await askCallerIdentity(options, signal);
  } catch (error) {
    // Another provider's refusal may only say that it has no such service.
    if (endpoint === null || !(error instanceof Fault) || error.code === 'credentials_unavailable')
      throw error;
    return { kind: 'unknown', reason: `${endpoint} tells no identity` };
  }
}

async function openQueue(
  config: Pick<Config, 'intake'>,
  parts: { readonly credentials: CredentialsProvider; readonly clock: StoresRequest['clock'] },
  opened: AsyncDisposableStack,
): Promise<DoctorParts['queue']> {
  const { sqs } = config.intake;
  if (sqs === null) return null;
  const { queueUrl, region, endpoint } = sqs;
  const open = await openSqsMessageQueue({ queueUrl, region, endpoint, ...parts, connections: CONNECTIONS });
  const messages = opened.adopt(open, (queue) => queue.close());
  return { url: queueUrl, arn: arnOfQueueUrl(queueUrl, region), messages };
}
