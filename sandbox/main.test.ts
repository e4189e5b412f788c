// The sandbox as a person starts it: a process of its own.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { ReceiveMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import { undeliveredLine } from './commands-to-try.ts';
import { SANDBOX_KEYS, SOURCE_BUCKET } from './two-clouds.ts';

const MAIN = join(import.meta.dirname, 'main.ts');
const FREE_PORTS = ['--s3-port', '0', '--gcs-port', '0', '--sqs-port', '0'];

function startSandbox(t: TestContext, flags: readonly string[]) {
  const child = spawn(process.execPath, [MAIN, ...flags], { stdio: ['ignore', 'pipe', 'pipe'] });
  const exited = once(child, 'exit');
  let text = '';
  const changed = new EventTarget();
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
      changed.dispatchEvent(new Event('text'));
    });
  t.after(async () => {
    child.kill('SIGTERM');
    await exited;
  });
  /** The match, as soon as the output has it. */
  const says = async (pattern: RegExp): Promise<RegExpExecArray> => {
    for (;;) {
      const match = pattern.exec(text);
      if (match !== null) return match;
      await once(changed, 'text');
    }
  };
  return { exited, says };
}

test('a port that is taken is said with the flag that chooses another', { timeout: 20_000 }, async (t) => {
  const other = createServer().listen(0, '127.0.0.1');
  await once(other, 'listening');
  t.after(() => other.close());
  const { port } = other.address() as AddressInfo;
  for (const [flags, named] of [
    [['--s3-port', String(port), '--gcs-port', '0', '--sqs-port', '0'], '--s3-port'],
    [['--s3-port', '0', '--gcs-port', String(port), '--sqs-port', '0'], '--gcs-port'],
    [['--s3-port', '0', '--gcs-port', '0', '--sqs-port', String(port)], '--sqs-port'],
  ] as const) {
    const { exited, says } = startSandbox(t, flags);
    await says(new RegExp(`port ${port} is taken by another process.*${named} N`));
    assert.deepEqual(await exited, [1, null]);
  }
});

test(
  'a notification that nobody takes is told with its key and the remedy',
  { timeout: 20_000 },
  async (t) => {
    const service = createServer((request, answer) => {
      answer.writeHead(request.headers.authorization === 'Bearer the-key' ? 403 : 500).end();
    }).listen(0, '127.0.0.1');
    await once(service, 'listening');
    t.after(() => {
      service.closeAllConnections();
      service.close();
    });
    const { port } = service.address() as AddressInfo;
    const notify = `http://127.0.0.1:${port}/v1/events`;
    const flags = [...FREE_PORTS, '--notify', notify, '--api-key', 'the-key'];
    const { says } = startSandbox(t, flags);
    const [, endpoint = ''] = await says(/S3 +(http:\S+)/);
    const client = new S3Client({
      endpoint,
      region: 'us-east-1',
      forcePathStyle: true,
      credentials: SANDBOX_KEYS,
    });
    t.after(() => client.destroy());
    await client.send(new PutObjectCommand({ Bucket: SOURCE_BUCKET, Key: 'a\u001b.txt', Body: 'x' }));
    await says(/notification for "a\\u001b\.txt" not delivered: the answer was 403; .*--api-key KEY/);
  },
);

test(
  'through a queue: its address is among the settings, and a written object is announced in it',
  { timeout: 20_000 },
  async (t) => {
    const { says } = startSandbox(t, [...FREE_PORTS, '--through', 'sqs']);
    const [, s3Url = ''] = await says(/S3 +(http:\S+).*owner account 123456789012/);
    const [, endpoint = ''] = await says(/AWS_ENDPOINT_URL_SQS=(\S+)/);
    const [, QueueUrl = ''] = await says(/SQS_QUEUE_URL=(\S+)/);
    await says(/S3 notifications go to the queue demo-changes/);
    const options = { region: 'us-east-1', credentials: SANDBOX_KEYS };
    const s3 = new S3Client({ ...options, endpoint: s3Url, forcePathStyle: true });
    const sqs = new SQSClient({ ...options, endpoint });
    t.after(() => {
      s3.destroy();
      sqs.destroy();
    });
    await s3.send(new PutObjectCommand({ Bucket: SOURCE_BUCKET, Key: 'hello.txt', Body: 'x' }));
    const bodies: string[] = [];
    while (bodies.length < 2) {
      const { Messages = [] } = await sqs.send(new ReceiveMessageCommand({ QueueUrl, WaitTimeSeconds: 20 }));
      bodies.push(...Messages.map(({ Body = '' }) => Body));
    }
    assert.match(bodies[0] ?? '', /"Event":"s3:TestEvent"/);
    assert.match(bodies[1] ?? '', /"key":"hello.txt"/);
  },
);

test('another way than the known ones is refused with what there is', { timeout: 20_000 }, async (t) => {
  const { exited, says } = startSandbox(t, [...FREE_PORTS, '--through', 'pigeon']);
  await says(/--through pigeon is not known\. Use --through http or --through sqs/);
  assert.deepEqual(await exited, [1, null]);
});

test('every way of not arriving has its own remedy, and the test event has no line', () => {
  const line = (status: number | null) => undeliveredLine({ key: 'k', reason: 'r', status }) ?? '';
  assert.match(line(null), /^notification for "k" not delivered: r; start the service/);
  assert.match(line(401), /--api-key KEY/);
  assert.match(line(404), /\/v1\/events/);
  assert.match(line(500), /log of the service/);
  assert.equal(undeliveredLine({ key: null, reason: 'r', status: null }), null);
});
