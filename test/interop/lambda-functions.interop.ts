// The built functions inside of AWS's own runtime client.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { buildForwarder, buildReplicator } from '../../deploy/lambda/build.ts';
import { testForwardFunction } from '../lambda/forward-function.contract.ts';
import { testReplicateFunction } from '../lambda/replicate-function.contract.ts';
import { clientRuntime, installLambdaClient } from './lambda-client.ts';

const installed = await installLambdaClient((line) => void process.stderr.write(`${line}\n`));

if (installed.kind === 'unavailable') {
  test("the functions inside of AWS's runtime client", { skip: installed.reason }, () => {});
} else {
  const folder = mkdtempSync(join(tmpdir(), 'lambda-'));
  after(() => rmSync(folder, { recursive: true, force: true }));
  await buildForwarder(folder);
  await buildReplicator(folder);
  const runtime = clientRuntime(installed.folder);
  testForwardFunction(() => join(folder, 'forward'), runtime);
  testReplicateFunction(() => join(folder, 'replicate'), runtime);
}
