// The architecture as a test: who may import whom, who may touch the process, how large things may grow.
import assert from 'node:assert/strict';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, sep } from 'node:path';
import { test } from 'node:test';

const ROOT = join(import.meta.dirname, '..');
const THIS_FILE = 'test/architecture.test.ts';
const MAX_FILE_LINES = 400;
const MAX_FUNCTION_LINES = 70;

interface SourceFile {
  /** From the project's root, with forward slashes. */
  readonly path: string;
  readonly text: string;
  readonly imports: readonly string[];
}

function posix(path: string): string {
  return path.split(sep).join('/');
}

function load(patterns: readonly string[]): SourceFile[] {
  return globSync([...patterns], { cwd: ROOT })
    .map((path) => {
      const text = readFileSync(join(ROOT, path), 'utf8');
      const specifiers = [
        ...text.matchAll(
          /^\s*(?:import|export)\s[^;]*?from\s+'([^']+)'|^\s*import\s+'([^']+)'|import\('([^']+)'\)/gm,
        ),
      ];
      const imports = specifiers.map((match) => {
        const specifier = match[1] ?? match[2] ?? match[3] ?? '';
        return specifier.startsWith('.') ? posix(normalize(join(dirname(path), specifier))) : specifier;
      });
      return { path: posix(path), text, imports };
    })
    .toSorted((a, b) => (a.path < b.path ? -1 : 1));
}

const product = load(['src/**/*.ts']);
const production = product.filter(
  (file) => !file.path.endsWith('.test.ts') && !file.path.includes('/testing/'),
);
const everything = load([
  'src/**/*.ts',
  'sandbox/**/*.ts',
  'test/**/*.ts',
  'deploy/**/*.ts',
  'docs/**/*.ts',
  'bench/**/*.ts',
]);

/** Folder -> project folders it may import besides itself. Stores, queues: siblings never meet. */
const MAY_IMPORT: Record<string, readonly string[]> = {
  core: [],
  replication: ['core'],
  checksums: ['core'],
  aws: ['core'],
  google: ['core'],
  'messages/sqs': ['core', 'aws'],
  'messages/memory': ['core'],
  exchange: ['core'],
  'stores/s3': ['core', 'aws', 'exchange'],
  'stores/gcs': ['core', 'google', 'exchange'],
  'stores/memory': ['core'],
  queues: ['core'],
  'queues/sqlite': ['core', 'queues'],
  'queues/postgres': ['core', 'queues'],
  'queues/memory': ['core', 'queues'],
  triggers: ['core', 'replication'],
  http: ['core', 'replication'],
  setup: ['core'],
  doctor: ['core', 'setup'],
  cli: ['core', 'replication', 'setup', 'doctor'],
  telemetry: ['core'],
  config: ['core'],
  secrets: ['core'],
  'system-clock.ts': ['core'],
  // What puts the parts of each shell together; app.ts is the one of the service.
  composition: [
    'core',
    'replication',
    'checksums',
    'aws',
    'google',
    'secrets',
    'messages',
    'stores',
    'queues',
    'triggers',
    'http',
    'setup',
    'doctor',
    'telemetry',
    'config',
    'system-clock.ts',
  ],
  'app.ts': [
    'core',
    'replication',
    'composition',
    'checksums',
    'aws',
    'http',
    'triggers',
    'telemetry',
    'config',
    'system-clock.ts',
  ],
  main: ['app.ts', 'composition', 'http', 'cli', 'triggers', 'config', 'core', 'system-clock.ts'],
};

/** npm packages and Node modules that only one place may know. */
const OWNED: readonly { readonly specifier: RegExp; readonly owner: RegExp }[] = [
  { specifier: /^@aws-sdk\//, owner: /^src\/(aws|messages\/sqs)\// },
  { specifier: /^google-auth-library$/, owner: /^src\/google\// },
  { specifier: /^undici$/, owner: /^src\/(exchange\/undici-connections|cli\/|telemetry\/)/ },
  { specifier: /^node:sqlite$/, owner: /^src\/queues\/sqlite\// },
  { specifier: /^pg$/, owner: /^src\/queues\/postgres\// },
  { specifier: /^(fastify|@fastify\/.*|fastify-type-provider-zod)$/, owner: /^src\/http\// },
  { specifier: /^(pino|pino-pretty|prom-client)$/, owner: /^src\/telemetry\// },
  { specifier: /^(commander|@commander-js\/.*)$/, owner: /^src\/cli\// },
  { specifier: /^yaml$/, owner: /^src\/config\// },
];

function folderOf(path: string): string {
  const parts = path.split('/').slice(1);
  const [first = '', second = ''] = parts;
  if (parts.length === 1) return first;
  return ['stores', 'queues', 'messages'].includes(first) && parts.length > 2 ? `${first}/${second}` : first;
}

test('every folder imports only what the dependency table allows', () => {
  const wrong: string[] = [];
  for (const file of production) {
    const folder = folderOf(file.path);
    const allowed = MAY_IMPORT[folder];
    assert.ok(allowed, `${file.path}: the folder ${folder} is not in the dependency table`);
    for (const imported of file.imports.filter((path) => path.startsWith('src/'))) {
      const target = folderOf(imported);
      const isAllowed =
        target === folder || allowed.some((name) => target === name || target.startsWith(`${name}/`));
      if (!isAllowed) wrong.push(`${file.path} -> ${imported}`);
    }
  }
  assert.deepEqual(wrong, []);
});

test('core and replication import no npm package and no input or output', () => {
  const wrong = production
    .filter((file) => /^src\/(core|replication)\//.test(file.path))
    .flatMap((file) =>
      file.imports
        // Hashing is arithmetic.
        .filter((name) => !name.startsWith('src/') && !(name === 'node:crypto' && isOnlyHash(file.text)))
        .map((name) => `${file.path} -> ${name}`),
    );
  assert.deepEqual(wrong, []);
});

function isOnlyHash(text: string): boolean {
  return /import \{ hash \} from 'node:crypto'/.test(text);
}

test('a library is known to its one owner only', () => {
  const wrong = production.flatMap((file) =>
    file.imports.flatMap((name) =>
      OWNED.filter(({ specifier, owner }) => specifier.test(name) && !owner.test(file.path)).map(
        () => `${file.path} -> ${name}`,
      ),
    ),
  );
  assert.deepEqual(wrong, []);
});

test('the product imports nothing of sandbox, test or bench, and the sandbox nothing of the product but its entries', () => {
  const wrong = production.flatMap((file) =>
    file.imports
      .filter((name) => /^(sandbox|test|bench)\//.test(name))
      .map((name) => `${file.path} -> ${name}`),
  );
  assert.deepEqual(wrong, []);
  const services = ['aws', 'eventbridge', 'gcs', 's3', 'sns', 'sqs', 'sts'];
  const stores = load([...services.map((name) => `sandbox/${name}/**/*.ts`), 'sandbox/*.ts']);
  const back = stores
    .filter((file) => !file.path.endsWith('.test.ts'))
    .flatMap((file) =>
      file.imports.filter((name) => name.startsWith('src/')).map((name) => `${file.path} -> ${name}`),
    );
  assert.deepEqual(back, []);
});

test('there are no import cycles', () => {
  const byPath = new Map(everything.map((file) => [file.path, file]));
  const done = new Set<string>();
  const visit = (path: string, trail: readonly string[]): void => {
    assert.ok(!trail.includes(path), `cycle: ${[...trail.slice(trail.indexOf(path)), path].join(' -> ')}`);
    if (done.has(path)) return;
    for (const imported of byPath.get(path)?.imports ?? []) {
      if (byPath.has(imported)) visit(imported, [...trail, path]);
    }
    done.add(path);
  };
  for (const file of everything) visit(file.path, []);
});

test('only main reads the environment, signals and exit codes', () => {
  const touching = /\bprocess\.(env|exit|exitCode|on|once|argv)\b/;
  const wrong = production.filter((file) => touching.test(file.text) && !file.path.startsWith('src/main/'));
  assert.deepEqual(
    wrong.map((file) => file.path),
    [],
  );
});

test('core and replication have no clock and no chance of their own', () => {
  const own =
    /\b(Date\.now|new Date\(\)|performance\.now|Math\.random|setTimeout|setInterval|setImmediate|randomUUID)\b/;
  const wrong = production.filter(
    (file) => /^src\/(core|replication)\//.test(file.path) && own.test(file.text),
  );
  assert.deepEqual(
    wrong.map((file) => file.path),
    [],
  );
});

test('no file is longer than the limit, and a file of main is a page', () => {
  const tooLong = everything.flatMap((file) => {
    const lines = file.text.split('\n').length - 1;
    const limit = file.path.startsWith('src/main/') ? 60 : MAX_FILE_LINES;
    return lines > limit ? [`${file.path}: ${lines} lines, ${limit} are allowed`] : [];
  });
  assert.deepEqual(tooLong, []);
});

test('the linter holds every function of the product to the limit, without an allow-list', () => {
  const config = JSON.parse(readFileSync(join(ROOT, '.oxlintrc.json'), 'utf8')) as {
    rules: Record<string, unknown>;
    overrides: { files: string[]; rules: Record<string, unknown> }[];
  };
  const rule = 'eslint/max-lines-per-function';
  assert.deepEqual(config.rules[rule], ['error', { max: MAX_FUNCTION_LINES }]);
  // A suite is a list of tests, not a function to be understood at once.
  const suites = ['**/*.test.ts', '**/*.contract.ts', '**/*.interop.ts'];
  assert.deepEqual(
    config.overrides.filter((override) => rule in override.rules).flatMap((override) => override.files),
    suites,
  );
  const silenced = everything.filter(
    (file) => /(oxlint|eslint)-disable/.test(file.text) && file.path !== THIS_FILE,
  );
  assert.deepEqual(
    silenced.map((file) => file.path),
    [],
  );
});

test('every file of the product says at its top what it decides', () => {
  const silent = production.filter((file) => !/^(#!.*\n)?\/\//.test(file.text));
  assert.deepEqual(
    silent.map((file) => file.path),
    [],
  );
});

test('there are no barrels and no drawers', () => {
  const drawers = everything.filter((file) =>
    /(^|\/)(index|utils?|helpers?|common|lib|types|interfaces|misc)(\.ts$|\/)/.test(file.path),
  );
  assert.deepEqual(
    drawers.map((file) => file.path),
    [],
  );
});

test('every path that the documents name exists', () => {
  const documents = globSync(['*.md', 'docs/**/*.md'], { cwd: ROOT });
  const missing = documents.flatMap((document) => {
    const text = readFileSync(join(ROOT, document), 'utf8');
    const named = [...text.matchAll(/`((?:src|test|sandbox|docs|deploy|migrations|bench)\/[\w./-]+)`/g)];
    return named
      .map((match) => match[1] ?? '')
      .filter((path) => !existsSync(join(ROOT, path)))
      .map((path) => `${posix(document)}: ${path}`);
  });
  assert.deepEqual(missing, []);
});
