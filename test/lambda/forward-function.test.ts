// The forwarding function as it is deployed: one file, alone in its folder, inside of a Lambda runtime.
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { inflateRawSync } from 'node:zlib';
import { buildForwarder } from '../../deploy/lambda/build.ts';
import type { BuiltFunction } from '../../deploy/lambda/bundle-function.ts';
import { testForwardFunction } from './forward-function.contract.ts';
import { OWN_RUNTIME } from './function-process.ts';

let folder: string;
let built: BuiltFunction;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'forwarder-'));
  built = await buildForwarder(folder);
});

after(async () => {
  await rm(folder, { recursive: true, force: true });
});

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

testForwardFunction(() => join(folder, 'forward'), OWN_RUNTIME);
