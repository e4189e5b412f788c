// The function that replicates as it is deployed, alone in its folder, inside of a Lambda runtime.
import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { buildReplicator } from '../../deploy/lambda/build.ts';
import type { BuiltFunction } from '../../deploy/lambda/bundle-function.ts';
import { OWN_RUNTIME } from './function-process.ts';
import { testReplicateFunction } from './replicate-function.contract.ts';

let outDir: string;
let built: BuiltFunction;

before(async () => {
  outDir = await mkdtemp(join(tmpdir(), 'replicator-'));
  built = await buildReplicator(outDir);
});

after(async () => {
  await rm(outDir, { recursive: true, force: true });
});

test('the archive is far below 5 MB, the same each time, and holds no path of this machine', async () => {
  assert.ok(built.zipBytes < 1024 * 1024, `${built.zipBytes} bytes`);
  const again = await buildReplicator(join(outDir, 'again'));
  assert.deepEqual(await readFile(again.zipFile), await readFile(built.zipFile));
  for (const file of await readdir(built.folder)) {
    const text = await readFile(join(built.folder, file), 'utf8');
    assert.ok(!text.includes(process.cwd()), file);
    assert.doesNotMatch(text, /sourceMappingURL|\.node["'`]/, file);
  }
});

testReplicateFunction(() => built.folder, OWN_RUNTIME);
