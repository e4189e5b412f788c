// The image without an engine to build it: its file is read, its folder is made, and its commands are run in there as
// they are written, by a user without rights. What only an engine can show is not shown here.
import assert from 'node:assert/strict';
import { existsSync, globSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import packageJson from '../../package.json' with { type: 'json' };
import { onlyArgument, readDockerfile, readDockerignore } from './dockerfile.ts';
import { DOCKERFILE, INSTALL, makeImageFolder } from './image-folder.ts';
import { startPostgresServer } from '../postgres-server.ts';
import { useImage } from './use-image.ts';

const ROOT = join(import.meta.dirname, '../..');
const stages = readDockerfile(DOCKERFILE);
const image = stages.at(-1);
assert.ok(image !== undefined);

test('every stage begins with the Node that the tests run with, by its version', () => {
  for (const stage of stages) assert.equal(stage.image, `node:${packageJson.devDependencies.node}-slim`);
});

test('the image has a user without rights, a health check, a volume, a stop signal and no secret', () => {
  assert.match(onlyArgument(image, 'USER'), /^[1-9]\d*:[1-9]\d*$/);
  const keywords = image.instructions.map(({ keyword }) => keyword);
  // What is made before it belongs to root, so that the service cannot change its own code.
  for (const made of ['COPY', 'RUN']) assert.ok(keywords.lastIndexOf(made) < keywords.indexOf('USER'), made);
  assert.equal(onlyArgument(image, 'STOPSIGNAL'), 'SIGTERM');
  assert.equal(onlyArgument(image, 'VOLUME'), '/data');
  assert.equal(onlyArgument(image, 'ENV'), 'NODE_ENV=production REPLICATOR_DATA_DIR=/data/queue');
  assert.ok(stages.every((stage) => stage.instructions.every(({ keyword }) => keyword !== 'ARG')));
});

test('nothing but packages, sources and migrations goes to the builder', () => {
  const isSent = readDockerignore(join(ROOT, '.dockerignore'));
  for (const path of ['package.json', 'package-lock.json', 'src/main/service.ts', 'src/http/page/index.html'])
    assert.equal(isSent(path), true, path);
  for (const path of globSync('migrations/**/*.sql', { cwd: ROOT })) assert.equal(isSent(path), true, path);
  for (const path of [
    '.env',
    '.env.local',
    'key.json',
    '.git/config',
    'data/queue.sqlite',
    'node_modules/a/b.js',
    'README.md',
    'src/core/core.test.ts',
    'src/http/testing/open-test-api.ts',
    'sandbox/main.ts',
    'srcs',
  ])
    assert.equal(isSent(path), false, path);
});

test('in a folder that holds only what the image holds, its commands do the whole work as its user and stop at its signal', async (t) => {
  const folder = makeImageFolder('copied');
  t.after(() => rmSync(dirname(folder), { recursive: true, force: true }));
  assert.ok(!existsSync(join(folder, 'app/node_modules/typescript')), 'no development package is in it');
  assert.deepEqual(globSync('app/src/**/*.test.ts', { cwd: folder }), []);
  await useImage(t, folder);
  // As the compose file and the second blueprint run it.
  const database = await startPostgresServer();
  t.after(() => database.close());
  await useImage(t, folder, await database.newSchema());
});

test('the packages are installed by a command that a test can carry out', () => {
  assert.equal(onlyArgument(stages[0] ?? image, 'RUN'), INSTALL);
});
