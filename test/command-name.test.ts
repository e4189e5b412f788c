// Messages and documents call the command by one name, which README.md explains once: how it is started depends on the
// host, and no message knows that.
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import packageJson from '../package.json' with { type: 'json' };

const ROOT = join(import.meta.dirname, '..');
/** The script by which a checkout starts it. */
const IN_A_CHECKOUT = /npm run (?:-s )?replicator\b/;

test('no message names the way in which a checkout starts the command', () => {
  const files = globSync(['src/**/*.ts', 'docs/*.ts', 'docs/faults.md', 'docs/configuration.md'], {
    cwd: ROOT,
  });
  assert.ok(files.length > 100);
  const wrong = files.filter((file) => IN_A_CHECKOUT.test(readFileSync(join(ROOT, file), 'utf8')));
  assert.deepEqual(wrong, []);
});

test('README.md says once what the name stands for, and that is what package.json starts', () => {
  const readme = readFileSync(join(ROOT, 'README.md'), 'utf8');
  const [, section = ''] = readme.split('\n## The command\n');
  assert.match(section, /In a checkout that is `npm run -s replicator --`/);
  assert.match(section, /alias replicator='npm run -s replicator --'/);
  assert.equal(packageJson.scripts.replicator, 'node src/main/cli.ts');
});
