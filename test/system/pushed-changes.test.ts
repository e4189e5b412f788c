// Changes that are pushed to the service without a function of ours, end to end over real HTTP: S3 through SNS, S3
// through EventBridge, and calls that somebody signs. The service is a process, as users start it.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { cloudDestinations } from '../../sandbox/cloud-destinations.ts';
import { freePort, type ServiceProcess, startService } from '../../sandbox/service-process.ts';
import { type SandboxSns, startSandboxSns } from '../../sandbox/sns/sandbox-sns.ts';
import {
  SANDBOX_KEYS,
  SOURCE_BUCKET,
  startTwoClouds,
  TARGET_BUCKET,
  type TwoClouds,
} from '../../sandbox/two-clouds.ts';
import { signWebhook } from '../../src/triggers/webhook-signature.ts';
import { notification } from './service-under-test.ts';

const OBJECTS = 100;
const LONGEST_WAIT_MS = 60_000;
const API_KEY = `rpl_system_${'k'.repeat(43)}`;
const SECRET = Buffer.alloc(32, 5);
const TROUBLE = { duplicatePermille: 300, reorderPermille: 100, reorderMs: 50 };

interface Pushed {
  readonly clouds: TwoClouds;
  readonly sns: SandboxSns;
  readonly topicArn: string;
  readonly service: ServiceProcess;
  /** SIGKILL, and a new process on the same data folder and port. */
  restart(): Promise<void>;
}

/** The clouds, a topic, and the service that listens to it. */
async function open(t: TestContext): Promise<Pushed> {
  const clouds = await startTwoClouds({ s3: 0, gcs: 0 });
  const sns = await startSandboxSns({ ...SANDBOX_KEYS, addresses: 'loopback' });
  clouds.s3.connect(cloudDestinations({ ...clouds, sns }));
  const topicArn = sns.createTopic('changes', { signatureVersion: '2' });
  const folder = await mkdtemp(join(tmpdir(), 'replicator-system-'));
  const start = async (port: number): Promise<ServiceProcess> =>
    startService({
      settings: {
        ...clouds.settings,
        REPLICATOR_DATA_DIR: join(folder, 'data'),
        REPLICATOR_API_KEYS: `admin:system:${createHash('sha256').update(API_KEY).digest('hex')}`,
        REPLICATOR_WEBHOOK_SECRETS: `whsec_${SECRET.toString('base64')}`,
        SNS_TOPIC_ARNS: topicArn,
        AWS_ENDPOINT_URL_SNS: sns.url,
        HOST: '127.0.0.1',
        LOG_FORMAT: 'json',
      },
      port,
      apiKey: API_KEY,
      folder,
      onLog: () => {},
    });
  const port = await freePort();
  const pushed = { clouds, sns, topicArn, service: await start(port), restart };
  t.after(async () => {
    await pushed.service.stop();
    await Promise.all([clouds.close(), sns.close()]);
    await rm(folder, { recursive: true, force: true });
  });
  return pushed;

  async function restart(): Promise<void> {
    await pushed.service.kill();
    pushed.service = await start(port);
  }
}

/** Writes objects, and waits until the target has each of them, byte by byte. */
async function writeAndCompare({ clouds, service }: Pushed): Promise<void> {
  const written = new Map<string, string>();
  for (let index = 0; index < OBJECTS; index += 1) {
    const key = `folder ${index % 7}/object+${index}.txt`;
    written.set(key, `content of ${index}`);
    await clouds.s3.putObject(SOURCE_BUCKET, key, `content of ${index}`);
  }
  await until('every object is at the target', service, () =>
    [...written].every(([key, text]) => clouds.gcs.getObject(TARGET_BUCKET, key)?.read().toString() === text),
  );
}

async function until(what: string, { logLines }: ServiceProcess, isSo: () => boolean): Promise<void> {
  const deadline = performance.now() + LONGEST_WAIT_MS;
  while (!isSo()) {
    if (performance.now() > deadline)
      throw new Error(`Waited in vain: ${what}; the log:\n${logLines.slice(-40).join('\n')}`);
    await sleep(20);
  }
}

test('S3 through SNS: the subscription is confirmed, and every object arrives, with doubled and reordered deliveries', async (t) => {
  const pushed = await open(t);
  const { clouds, sns, topicArn, service } = pushed;
  const subscribe = (delivery: object) =>
    sns.subscribe(topicArn, { protocol: 'http', endpoint: `${service.url}/v1/events`, delivery });
  subscribe(TROUBLE);
  await until('the subscription is confirmed', service, () => {
    return sns.subscriptions(topicArn).every(({ isConfirmed }) => isConfirmed);
  });
  clouds.s3.configureNotification(SOURCE_BUCKET, {
    rules: [
      {
        id: 'topic',
        kind: 'Topic',
        arn: topicArn,
        events: ['s3:ObjectCreated:*'],
        prefix: null,
        suffix: null,
      },
    ],
    eventBridge: false,
  });
  await writeAndCompare(pushed);
  await sns.idle();
  assert.deepEqual(sns.undelivered, []);
  const repeats = service.logLines.filter((line) =>
    line.includes('"msg":"repeated: this delivery was taken before"'),
  );
  assert.ok(repeats.length > 0, 'doubled deliveries were seen, and stored once');

  // A topic of the same account that is not listed: asked to subscribe, the service does nothing but say so.
  const strange = sns.createTopic('strange');
  sns.subscribe(strange, { protocol: 'http', endpoint: `${service.url}/v1/events` });
  await until('the stranger is refused', service, () =>
    service.logLines.some((line) => line.includes(strange)),
  );
  await sns.idle();
  assert.deepEqual(
    sns.subscriptions(strange).map(({ isConfirmed }) => isConfirmed),
    [false],
  );
});

test('S3 through EventBridge: an API destination with a key brings every object', async (t) => {
  const pushed = await open(t);
  const { clouds, service } = pushed;
  clouds.eventBridge.addRule({
    bucket: SOURCE_BUCKET,
    detailTypes: ['Object Created'],
    target: {
      kind: 'api_destination',
      url: `${service.url}/v1/events`,
      auth: { kind: 'api_key', header: 'Authorization', value: `Bearer ${API_KEY}` },
    },
    delivery: TROUBLE,
  });
  clouds.s3.configureNotification(SOURCE_BUCKET, { rules: [], eventBridge: true });
  await writeAndCompare(pushed);
  await clouds.eventBridge.idle();
  assert.deepEqual(clouds.eventBridge.undelivered, []);
});

test('signed calls bring an object; one that comes again after a kill is answered again and stored once', async (t) => {
  const pushed = await open(t);
  await pushed.clouds.s3.putObject(SOURCE_BUCKET, 'signed.txt', 'content');
  const body = JSON.stringify(notification(['signed.txt']));
  const post = async (): Promise<{ status: number; text: string }> => {
    const timestampSec = Math.floor(Date.now() / 1000);
    const answer = await fetch(`${pushed.service.url}/v1/events`, {
      method: 'POST',
      body,
      headers: {
        'content-type': 'application/json',
        ...signWebhook({ id: 'msg_1', timestampSec, body }, SECRET),
      },
    });
    return { status: answer.status, text: await answer.text() };
  };
  const first = await post();
  assert.equal(first.status, 202, first.text);
  await until('it is at the target', pushed.service, () => {
    return pushed.clouds.gcs.getObject(TARGET_BUCKET, 'signed.txt')?.read().toString() === 'content';
  });
  await pushed.restart();
  const again = await post();
  assert.equal(again.status, 202);
  assert.equal(again.text, first.text.replace('"joined":false', '"joined":true'));
  const { body: page } = await pushed.service.get(`/v1/transfers?bucket=${SOURCE_BUCKET}`);
  assert.equal((page as { transfers: unknown[] }).transfers.length, 1);
});
