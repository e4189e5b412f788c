// The processes in a working folder whose .env cannot be read: an answer for a person, never a stack trace.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';

const COMMANDS: readonly (readonly [what: string, file: string, args: readonly string[]])[] = [
  ['the service', 'service.ts', []],
  ['replicator serve', 'cli.ts', ['serve']],
  ['replicator config print', 'cli.ts', ['config', 'print']],
  ['a command that calls the service', 'cli.ts', ['transfers']],
];

for (const [what, file, args] of COMMANDS)
  test(`a .env that is a folder ends ${what} with 2, its name and the fix`, async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'replicator-env-'));
    t.after(() => rmSync(folder, { recursive: true }));
    mkdirSync(join(folder, '.env'));
    const child = spawn(process.execPath, [join(import.meta.dirname, file), ...args], {
      cwd: folder,
      env: { S3_BUCKET: 'photos', GCS_BUCKET: 'photos-copy', AWS_REGION: 'eu-central-1' },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    const closed = once(child, 'close');
    const shown = await text(child.stderr);
    const [exitCode]: unknown[] = await closed;
    assert.equal(exitCode, 2, shown);
    assert.match(shown, /\.env: is a folder, not a file of settings/);
    assert.match(shown, /fix: +make \.env a file/);
    assert.doesNotMatch(shown, /^ +at /m);
  });
