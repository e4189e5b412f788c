// Writes the pages that follow from tables in the code. With --check nothing is written and the exit code is 1
// where a file is not current. A folder as last argument replaces the repository, for tests.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { configurationPage, envExample } from './configuration-page.ts';
import { faultsPage } from './faults-page.ts';
import { iamPage } from './iam-page.ts';

const DOCUMENTS: Readonly<Record<string, () => string>> = {
  'docs/configuration.md': configurationPage,
  'docs/faults.md': faultsPage,
  'docs/iam.md': iamPage,
  '.env.example': envExample,
};

const { values, positionals } = parseArgs({
  options: { check: { type: 'boolean', default: false } },
  allowPositionals: true,
});
const root = positionals[0] ?? join(import.meta.dirname, '..');
const stale = Object.entries(DOCUMENTS).filter(([path, render]) => readText(join(root, path)) !== render());
if (!values.check) for (const [path, render] of stale) writeFileSync(join(root, path), render());
for (const [path] of stale)
  process.stdout.write(values.check ? `${path} is not current: run "npm run docs"\n` : `${path} written\n`);
if (values.check && stale.length > 0) process.exitCode = 1;

/** The text with the line breaks of every platform made equal; null where there is no file. */
function readText(path: string): string | null {
  try {
    return readFileSync(path, 'utf8').replaceAll('\r\n', '\n');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
    throw error;
  }
}
