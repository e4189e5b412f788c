// Everything the image has to offer, run in its folder as its file writes it: health check, service, command, stop.
import assert from 'node:assert/strict';
import { spawn, type SpawnOptions } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, mkdirSync, readdirSync, rmSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../../sandbox/service-process.ts';
import { SOURCE_BUCKET, startTwoClouds, TARGET_BUCKET } from '../../sandbox/two-clouds.ts';
import { commandOf, onlyArgument, readDockerfile } from './dockerfile.ts';
import { DOCKERFILE } from './image-folder.ts';

const ADMIN_KEY = 'dGhlIGtleSBvZiBhIHRlc3QsIDMyIGJ5dGVzIGxvbmc=';

const image = readDockerfile(DOCKERFILE).at(-1);
assert.ok(image !== undefined);
const healthCheck = commandOf(onlyArgument(image, 'HEALTHCHECK'));
const start = commandOf(onlyArgument(image, 'CMD'));

/** The user of the image, where this process may become it. */
const [uid = 0, gid = 0] = onlyArgument(image, 'USER').split(':').map(Number);
const asUser = process.getuid?.() === 0 ? { uid, gid } : {};

/** Its user can write to /data and nowhere else, as an orchestrator may have it. */
export async function useImage(
  t: TestContext,
  folder: string,
  /** An address of PostgreSQL; without it the queue lies below /data. */
  databaseUrl: string | null = null,
): Promise<void> {
  const data = join(folder, 'data');
  rmSync(data, { recursive: true, force: true });
  mkdirSync(data);
  // With a database it needs no place to write at all.
  if ('uid' in asUser) chownSync(data, databaseUrl === null ? uid : 0, gid);
  const clouds = await startTwoClouds({ s3: 0, gcs: 0 });
  t.after(() => clouds.close());
  const env = {
    ...clouds.settings,
    PATH: dirname(process.execPath),
    NODE_ENV: 'production',
    ...(databaseUrl === null ? {} : { DATABASE_URL: databaseUrl }),
    REPLICATOR_DATA_DIR: join(data, 'queue'),
    REPLICATOR_ADMIN_KEY: ADMIN_KEY,
    PORT: String(await freePort()),
    HOST: '127.0.0.1',
    LOG_FORMAT: 'json',
  };
  const inImage: SpawnOptions = {
    cwd: join(folder, 'app'),
    env,
    ...asUser,
    stdio: ['ignore', 'pipe', 'pipe'],
  };
  const run = async (command: readonly string[]): Promise<{ code: unknown; out: string }> => {
    const [file = '', ...args] = command;
    const child = spawn(file, args, inImage);
    assert.ok(child.stdout !== null && child.stderr !== null);
    const ended = once(child, 'exit');
    const out = (await Promise.all([text(child.stdout), text(child.stderr)])).join('');
    return { code: (await ended)[0], out };
  };
  const before = await run(healthCheck);
  assert.equal(before.code, 1, 'nobody answers yet');
  assert.match(before.out, /does not answer/);

  const [file = '', ...args] = start;
  const service = spawn(file, args, inImage);
  t.after(() => service.kill('SIGKILL'));
  assert.ok(service.stdout !== null && service.stderr !== null);
  const log = Promise.all([text(service.stdout), text(service.stderr)]);
  const ended = once(service, 'exit');
  for (let tries = 0; (await run(healthCheck)).code !== 0; tries += 1) {
    if (tries > 100 || service.exitCode !== null) assert.fail(`It does not start:\n${(await log).join('')}`);
    await sleep(50);
  }
  if (databaseUrl === null) assert.equal(statSync(join(data, 'queue')).mode & 0o777, 0o700);
  else assert.deepEqual(readdirSync(data), []);

  await clouds.s3.putObject(SOURCE_BUCKET, 'from/image.txt', 'bytes');
  // The command on the path of the image, with the key that the environment holds.
  const command = join(folder, 'usr/local/bin/replicator');
  const copied = await run([command, 'replicate', `s3://${SOURCE_BUCKET}/from/image.txt`, '--wait', '30']);
  assert.equal(copied.code, 0, copied.out);
  assert.ok(clouds.gcs.requests.some((line) => line.includes(TARGET_BUCKET)));
  const explained = await run([command, 'explain', `s3://${SOURCE_BUCKET}/from/image.txt`]);
  assert.equal(explained.code, 0, explained.out);

  service.kill('SIGTERM');
  const [code] = (await ended) as [number | null];
  assert.equal(code, 0, (await log).join(''));
}
