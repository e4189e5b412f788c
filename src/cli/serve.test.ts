// The commands that run until they are stopped: what they are given runs, and nothing else does.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runCommand } from './testing/run-command.ts';

const URL = 'http://127.0.0.1:9';

test('serve runs the service that it is given', async () => {
  let served = 0;
  const serve = async (): Promise<void> => {
    served += 1;
  };
  assert.equal((await runCommand(URL, ['serve'], { serve })).exitCode, 0);
  assert.equal(served, 1);
});

test('worker runs the worker that it is given, and only from a queue that is named', async () => {
  let worked = 0;
  const work = async (): Promise<void> => {
    worked += 1;
  };
  assert.equal((await runCommand(URL, ['worker', '--from', 'sqs'], { work })).exitCode, 0);
  assert.equal(worked, 1);
  const unnamed = await runCommand(URL, ['worker'], { work });
  assert.equal(unnamed.exitCode, 2);
  assert.match(unnamed.err, /--from/);
  const unknown = await runCommand(URL, ['worker', '--from', 'kafka'], { work });
  assert.equal(unknown.exitCode, 2);
  assert.equal(worked, 1);
});
