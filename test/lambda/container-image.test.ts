// The definition of the container image, read as text: nothing here can build it. Its base is the runtime that the
// bundles are built for, and every file that it copies is one that the build writes.
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, matchesGlob } from 'node:path';
import { after, before, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { buildForwarder, buildReplicator } from '../../deploy/lambda/build.ts';

const DEPLOY = join(import.meta.dirname, '..', '..', 'deploy', 'lambda');
const OUTPUT = 'dist/lambda';
const FUNCTIONS = ['forward', 'replicate'];
let folder: string;

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'image-'));
  await buildForwarder(join(folder, OUTPUT));
  await buildReplicator(join(folder, OUTPUT));
});

after(() => rmSync(folder, { recursive: true, force: true }));

/** The instructions of a Dockerfile, comments and line breaks taken out. */
function instructions(file: string): readonly { readonly name: string; readonly words: string }[] {
  const text = readFileSync(join(DEPLOY, file), 'utf8').replaceAll(/^\s*#.*$/gm, '');
  return text
    .replaceAll(/\\\n/g, ' ')
    .split('\n')
    .flatMap((line) => {
      const match = /^\s*([A-Z]+)\s+(.*\S)\s*$/.exec(line);
      return match === null ? [] : [{ name: match[1] ?? '', words: match[2] ?? '' }];
    });
}

const all = instructions('Dockerfile');
const wordsOf = (name: string): readonly string[] =>
  all.filter((one) => one.name === name).map(({ words }) => words);

test('the image is built on the Lambda runtime of Node 24, by name and version, and on nothing else', () => {
  assert.deepEqual(wordsOf('FROM'), ['public.ecr.aws/lambda/nodejs:24']);
  assert.deepEqual(wordsOf('RUN'), [], 'nothing is installed: the bundle is alone');
  assert.deepEqual(wordsOf('ARG'), ['FUNCTION=replicate']);
});

for (const name of FUNCTIONS)
  test(`what the image of ${name} copies is what the build writes, and its command is the handler`, async () => {
    const copies = wordsOf('COPY').map((words) => words.replaceAll('${FUNCTION}', name).split(/\s+/));
    assert.ok(copies.length > 0);
    const ignored = readFileSync(join(DEPLOY, 'Dockerfile.dockerignore'), 'utf8');
    const sent = [...ignored.matchAll(/^!(.+)$/gm)].map((match) => match[1] ?? '');
    const copied: string[] = [];
    for (const [from = '', to, ...more] of copies) {
      assert.deepEqual([to, more], ['${LAMBDA_TASK_ROOT}/', []]);
      assert.ok(existsSync(join(folder, from)), `${from} is not built`);
      copied.push(...readdirSync(join(folder, from)).map((file) => `${from}${file}`));
    }
    for (const file of copied)
      assert.ok(
        sent.some((pattern) => matchesGlob(file, pattern)),
        `${file} is kept from the build by Dockerfile.dockerignore`,
      );
    const [command = ''] = wordsOf('CMD').flatMap((words) => JSON.parse(words) as string[]);
    const [file, handler = ''] = command.split('.');
    const bundle = copied.find((path) => path.endsWith(`/${file}.mjs`));
    assert.ok(bundle, `no ${file}.mjs is copied`);
    const loaded = (await import(pathToFileURL(join(folder, bundle)).href)) as Record<string, unknown>;
    assert.equal(typeof loaded[handler], 'function');
  });
