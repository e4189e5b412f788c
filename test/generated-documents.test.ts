// The pages that are written from tables in the code are current, and the check that says so can fail.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { appendFileSync, cpSync, mkdtempSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { loadConfig } from '../src/config/load-config.ts';
import { formatProblems } from '../src/config/problem.ts';
import { settingNames } from '../src/config/settings.ts';
import { FAULTS } from '../src/core/faults.ts';

const ROOT = join(import.meta.dirname, '..');
const DOCUMENTS = ['docs/configuration.md', 'docs/faults.md', '.env.example'];

function generate(...args: readonly string[]): { readonly status: number | null; readonly out: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(ROOT, 'docs/generate.ts'), ...args], {
    encoding: 'utf8',
  });
  return { status, out: stdout + stderr };
}

test('the generated documents are current', () => {
  const { status, out } = generate('--check');
  assert.equal(status, 0, out);
});

test('a document that was edited or is missing is found, and written again', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'replicator-docs-'));
  t.after(() => rmSync(folder, { recursive: true }));
  mkdirSync(join(folder, 'docs'));
  for (const path of DOCUMENTS.slice(0, 2)) cpSync(join(ROOT, path), join(folder, path));
  appendFileSync(join(folder, 'docs/faults.md'), 'edited by hand\n');
  const stale = generate('--check', folder);
  assert.equal(stale.status, 1);
  assert.match(stale.out, /docs\/faults\.md is not current/);
  assert.match(stale.out, /\.env\.example is not current/);
  assert.ok(!stale.out.includes('configuration.md'));
  assert.equal(generate(folder).status, 0);
  assert.equal(generate('--check', folder).status, 0);
});

test('every setting and every fault is documented', () => {
  const configuration = readFileSync(join(ROOT, 'docs/configuration.md'), 'utf8');
  const example = readFileSync(join(ROOT, '.env.example'), 'utf8');
  for (const name of settingNames()) {
    assert.ok(configuration.includes(`| \`${name}\``), name);
    assert.match(example, new RegExp(`^#?${name}=`, 'm'));
  }
  const faults = readFileSync(join(ROOT, 'docs/faults.md'), 'utf8');
  for (const code of Object.keys(FAULTS)) assert.ok(faults.includes(`| \`${code}\` |`), code);
});

test('the example file is a valid configuration as it is, and so is every example value in it', () => {
  const example = readFileSync(join(ROOT, '.env.example'), 'utf8');
  const machine = { env: {}, readFile: () => '', memoryBytes: 2 ** 31, isTerminal: false };
  const asItIs = loadConfig({ ...machine, envFileText: example });
  assert.ok(asItIs.kind === 'ok', asItIs.kind === 'invalid' ? formatProblems(asItIs.problems) : '');
  assert.deepEqual(asItIs.warnings, []);
  for (const [, name = '', value = ''] of example.matchAll(/^#([A-Z0-9_]+)=(.+)$/gm)) {
    const loaded = loadConfig({ ...machine, envFileText: `${name}=${value}` });
    const problems = loaded.kind === 'invalid' ? loaded.problems : [];
    // What a setting needs beside it is not the example's business, how it is written is.
    const own = problems.filter(({ setting, reason }) => setting === name && /^is (not|none)/.test(reason));
    assert.deepEqual(own, [], name);
  }
});
