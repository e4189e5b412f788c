// The built Lambda function as it is deployed: one file, alone in a folder, in a process with its own environment.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { inflateRawSync } from 'node:zlib';
import { buildForwarder, type BuiltForwarder } from '../../deploy/lambda/build.ts';

const run = promisify(execFile);
let folder: string;
let built: BuiltForwarder;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'forwarder-'));
  built = await buildForwarder(folder);
});

after(async () => {
  await rm(folder, { recursive: true, force: true });
});

/** Calls the bundle's handler as Lambda's runtime does, in a process that has nothing but `environment`. */
async function invoke(event: unknown, environment: Record<string, string>): Promise<{ lines: unknown[] }> {
  const script = `
    const { handler } = await import(${JSON.stringify(pathToFileURL(built.file).href)});
    if (handler.length !== 2) throw new Error('Lambda takes a third parameter for a callback');
    const context = { awsRequestId: 'r-1', getRemainingTimeInMillis: () => 5000 };
    try { console.log(JSON.stringify({ result: await handler(${JSON.stringify(event)}, context) })); }
    catch (error) { console.log(JSON.stringify({ failed: error.name, message: error.message })); }`;
  const { stdout } = await run(process.execPath, ['--input-type=module', '--eval', script], {
    cwd: folder,
    env: environment,
  });
  return {
    lines: stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as unknown),
  };
}

test('the bundle is one small file that needs no package and holds no path of this machine', async () => {
  const text = await readFile(built.file, 'utf8');
  assert.equal(Buffer.byteLength(text), built.bytes);
  assert.ok(built.bytes < 20 * 1024, `${built.bytes} bytes`);
  const imported = [...text.matchAll(/(?:from|import)\s*\(?\s*["']([^"']+)["']/g)].map(
    (match) => match[1] ?? '',
  );
  assert.ok(imported.length > 0);
  assert.deepEqual(
    imported.filter((name) => !name.startsWith('node:')),
    [],
  );
  assert.doesNotMatch(text, /\brequire\(|node_modules|sourceMappingURL/);
  assert.ok(!text.includes(process.cwd()));
});

test('the archive holds the bundle as index.mjs and is the same each time', async () => {
  const archive = await readFile(built.zipFile);
  assert.equal(archive.length, built.zipBytes);
  const nameLength = archive.readUInt16LE(26);
  assert.equal(archive.subarray(30, 30 + nameLength).toString(), 'index.mjs');
  const packed = archive.subarray(30 + nameLength, 30 + nameLength + archive.readUInt32LE(18));
  assert.deepEqual(inflateRawSync(packed), await readFile(built.file));

  const again = await buildForwarder(join(folder, 'again'));
  assert.deepEqual(await readFile(again.zipFile), archive);
});

test('the built function forwards an event and answers with what the service took', async (t) => {
  const bodies: string[] = [];
  const server = createServer((req, res) => {
    req.setEncoding('utf8');
    req.on('data', (text: string) => bodies.push(text));
    req.on('end', () => {
      const isRight = req.url === '/base/v1/events' && req.headers.authorization === 'Bearer rk-canary';
      res.writeHead(isRight ? 202 : 401, { 'content-type': 'application/json' });
      res.end(
        JSON.stringify({ accepted: 1, ignored: 0, quarantined: 0, transfers: [{}], detail: 'rk-canary' }),
      );
    });
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  t.after(() => server.close());
  const event = { Records: [{ eventSource: 'aws:s3', s3: { object: { key: 'a+b☃' } } }] };
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/base/`;

  const good = await invoke(event, { REPLICATOR_URL: url, REPLICATOR_API_KEY: 'rk-canary' });
  assert.deepEqual(good.lines.at(-1), { result: { accepted: 1, ignored: 0, quarantined: 0, transfers: 1 } });
  assert.partialDeepStrictEqual(good.lines[0], { level: 'info', status: 202, records: 1, requestId: 'r-1' });
  assert.deepEqual(bodies, [JSON.stringify(event)]);

  const wrong = await invoke(event, { FASTAPI_URL: url, REPLICATOR_API_KEY: 'rk-canary-2' });
  assert.partialDeepStrictEqual(wrong.lines.at(-1), { failed: 'ForwardError' });
  assert.match(JSON.stringify(wrong.lines), /answered 401/);
  assert.ok(!JSON.stringify([good, wrong]).includes('canary-2'));
});

test('the built function without its address fails the call and says what to set', async () => {
  const { lines } = await invoke({}, {});
  assert.partialDeepStrictEqual(lines.at(-1), { failed: 'ForwarderSettingsError' });
  assert.match(JSON.stringify(lines), /REPLICATOR_URL is missing/);
});
