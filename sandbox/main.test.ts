// The sandbox as a person starts it: a process of its own.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { undeliveredLine } from './commands-to-try.ts';
import { SANDBOX_KEYS, SOURCE_BUCKET } from './two-clouds.ts';

const MAIN = join(import.meta.dirname, 'main.ts');

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
    [['--s3-port', String(port), '--gcs-port', '0'], '--s3-port'],
    [['--s3-port', '0', '--gcs-port', String(port)], '--gcs-port'],
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
    const flags = ['--s3-port', '0', '--gcs-port', '0', '--notify', notify, '--api-key', 'the-key'];
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

test('every way of not arriving has its own remedy, and the test event has no line', () => {
  const line = (status: number | null) => undeliveredLine({ key: 'k', reason: 'r', status }) ?? '';
  assert.match(line(null), /^notification for "k" not delivered: r; start the service/);
  assert.match(line(401), /--api-key KEY/);
  assert.match(line(404), /\/v1\/events/);
  assert.match(line(500), /log of the service/);
  assert.equal(undeliveredLine({ key: null, reason: 'r', status: null }), null);
});
