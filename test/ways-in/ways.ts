// Every way from a bucket to its copy: how each is set up, and when it has nothing left to do.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { join } from 'node:path';
import { buildForwarder, buildReplicator } from '../../deploy/lambda/build.ts';
import { CHANGES_QUEUE, SOURCE_BUCKET } from '../../sandbox/two-clouds.ts';
import { type FunctionProcess, startFunction } from '../lambda/function-process.ts';
import { passMessagesTo } from './event-source.ts';
import { API_KEY, isServiceAtRest, type WaysWorld } from './world.ts';

export interface Way {
  readonly name: string;
  /** True where the queue delivers with troubles; false where the sender does. */
  readonly isThroughQueue: boolean;
  /** Sets it up; answers when it has nothing left to do. */
  readonly open: (world: WaysWorld) => Promise<() => Promise<boolean>>;
}

const KEYS = {
  REPLICATOR_API_KEYS: `admin:ways:${createHash('sha256').update(API_KEY).digest('hex')}`,
  HOST: '127.0.0.1',
};
const WORKERS = 4;

export const WAYS: readonly Way[] = [
  { name: 'S3 -> Lambda forwarder -> HTTP', isThroughQueue: false, open: openForwarder },
  {
    name: 'S3 -> SQS',
    isThroughQueue: true,
    open: async (world) => openQueue(world, 'Queue', world.queueArn),
  },
  { name: 'S3 -> SNS -> SQS', isThroughQueue: true, open: async (world) => openTopicToQueue(world, false) },
  {
    name: 'S3 -> SNS -> SQS, raw',
    isThroughQueue: true,
    open: async (world) => openTopicToQueue(world, true),
  },
  { name: 'S3 -> SNS -> HTTPS', isThroughQueue: false, open: openTopicToService },
  { name: 'S3 -> EventBridge -> HTTPS', isThroughQueue: false, open: openBusToService },
  { name: 'S3 -> EventBridge -> SQS', isThroughQueue: true, open: openBusToQueue },
  { name: 'S3 -> SQS -> Lambda replicate', isThroughQueue: true, open: openReplicate },
  { name: `S3 -> SQS -> ${WORKERS} stateless workers`, isThroughQueue: true, open: openWorkers },
];

async function openForwarder(world: WaysWorld): Promise<() => Promise<boolean>> {
  const service = await world.service(KEYS);
  const { folder } = await buildForwarder(join(world.folder, 'lambda'));
  const forward = await runFunction(world, folder, {
    REPLICATOR_URL: service.url,
    REPLICATOR_API_KEY: API_KEY,
  });
  world.clouds.s3.setNotification(
    SOURCE_BUCKET,
    async (event) => {
      const end = await forward.invoke(event);
      if (end.kind !== 'response') throw new Error(end.errorMessage);
    },
    { delivery: world.trouble },
  );
  return async () => {
    await world.clouds.s3.idle();
    return isServiceAtRest(service);
  };
}

async function runFunction(
  world: WaysWorld,
  folder: string,
  environment: Readonly<Record<string, string>>,
): Promise<FunctionProcess> {
  const running = await startFunction({ folder, environment, memoryMb: 512 });
  world.defer(() => running.stop());
  return running;
}

async function openQueue(
  world: WaysWorld,
  kind: 'Queue' | 'Topic',
  arn: string,
): Promise<() => Promise<boolean>> {
  const service = await world.service(world.clouds.queueSettings);
  world.notify(kind, arn);
  return async () => world.isQueueEmpty() && isServiceAtRest(service);
}

async function openTopicToQueue(world: WaysWorld, raw: boolean): Promise<() => Promise<boolean>> {
  const topic = world.sns.createTopic('changes');
  world.sns.subscribe(topic, { protocol: 'sqs', endpoint: world.queueArn, raw });
  return openQueue(world, 'Topic', topic);
}

async function openTopicToService(world: WaysWorld): Promise<() => Promise<boolean>> {
  const topic = world.sns.createTopic('changes', { signatureVersion: '2' });
  const service = await world.service({
    ...KEYS,
    SNS_TOPIC_ARNS: topic,
    AWS_ENDPOINT_URL_SNS: world.sns.url,
  });
  const endpoint = `${service.url}/v1/events`;
  world.sns.subscribe(topic, { protocol: 'http', endpoint, delivery: world.trouble });
  await world.sns.idle();
  world.notify('Topic', topic);
  return async () => {
    await world.sns.idle();
    return isServiceAtRest(service);
  };
}

async function openBusToService(world: WaysWorld): Promise<() => Promise<boolean>> {
  const service = await world.service(KEYS);
  world.clouds.eventBridge.addRule({
    bucket: SOURCE_BUCKET,
    detailTypes: ['Object Created'],
    target: {
      kind: 'api_destination',
      url: `${service.url}/v1/events`,
      auth: { kind: 'api_key', header: 'Authorization', value: `Bearer ${API_KEY}` },
    },
    delivery: world.trouble,
  });
  sendToBus(world);
  return async () => {
    await world.clouds.eventBridge.idle();
    return isServiceAtRest(service);
  };
}

async function openBusToQueue(world: WaysWorld): Promise<() => Promise<boolean>> {
  const service = await world.service(world.clouds.queueSettings);
  world.clouds.eventBridge.addRule({
    bucket: SOURCE_BUCKET,
    target: { kind: 'queue', arn: world.queueArn },
  });
  sendToBus(world);
  return async () => {
    await world.clouds.eventBridge.idle();
    return world.isQueueEmpty() && isServiceAtRest(service);
  };
}

function sendToBus(world: WaysWorld): void {
  world.clouds.s3.configureNotification(SOURCE_BUCKET, { rules: [], eventBridge: true });
}

async function openReplicate(world: WaysWorld): Promise<() => Promise<boolean>> {
  const { folder } = await buildReplicator(join(world.folder, 'lambda'));
  const replicate = await runFunction(world, folder, {
    ...world.clouds.settings,
    ...world.clouds.queueSettings,
    CHUNK_SIZE_BYTES: '262144',
    SETTLE_GRACE_SEC: '1',
  });
  world.notify('Queue', world.queueArn);
  const source = passMessagesTo(world.clouds.sqs, CHANGES_QUEUE, replicate);
  world.defer(() => source.stop());
  return async () => {
    source.assertRunning();
    return world.isQueueEmpty();
  };
}

async function openWorkers(world: WaysWorld): Promise<() => Promise<boolean>> {
  world.notify('Queue', world.queueArn);
  const cli = join(import.meta.dirname, '../../src/main/cli.ts');
  for (let index = 0; index < WORKERS; index += 1) {
    const child = spawn(process.execPath, [cli, 'worker', '--from', 'sqs'], {
      cwd: world.folder,
      env: {
        PATH: process.env['PATH'],
        ...world.clouds.settings,
        ...world.clouds.queueSettings,
        CHUNK_SIZE_BYTES: '262144',
        SETTLE_GRACE_SEC: '1',
        PORT: '0',
        LOG_FORMAT: 'json',
      },
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    const exited = once(child, 'exit');
    world.defer(async () => {
      child.kill('SIGTERM');
      await exited;
    });
  }
  return async () => world.isQueueEmpty();
}
