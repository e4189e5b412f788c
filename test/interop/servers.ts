// The independent servers that the drivers are measured against: which version, how each is started on loopback, and
// how it shows that it is ready. None of them shares a line with this project.
import { rmSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Installed, installGoProgram, installJavaProgram, installPythonProgram } from './install.ts';
import { freePort } from '../../sandbox/service-process.ts';
import { openWayIn, ownNetworkProblem, ownNetworkWrapper } from './own-network.ts';
import { startServerProcess } from './server-process.ts';

export type ServerName =
  | 'versitygw'
  | 'localstack'
  | 'elasticmq'
  | 'fake-gcs-server'
  | 'gcp-storage-emulator';

/** How a test reaches a server. */
export interface ServerAddress {
  /** `http://127.0.0.1:PORT`, no slash at the end. */
  readonly url: string;
  /** Null where the server knows no keys. */
  readonly keys: {
    readonly accessKeyId: string;
    readonly secretAccessKey: string;
    readonly region: string;
  } | null;
}

export interface RunningServer extends ServerAddress {
  readonly kind: 'running';
  /** Ends the process and removes its data; resolves when both are done. */
  readonly stop: () => Promise<void>;
}

export type StartedServer = RunningServer | { readonly kind: 'unavailable'; readonly reason: string };

type Tell = (line: string) => void;

const READY_LIMIT_MS = 60_000;
/** Keys of servers that hold nothing and hear nobody but this machine. */
const TEST_KEYS = { accessKeyId: 'AKTEST', secretAccessKey: 'sekretsekret', region: 'us-east-1' };

/**
 * Installs a server where it is missing, starts it and resolves once it answers. `tell` receives what takes long.
 * `unavailable` where this machine cannot run it; throws where it should run and does not.
 */
export const START_SERVER: Readonly<Record<ServerName, (tell: Tell) => Promise<StartedServer>>> = {
  versitygw: startVersitygw,
  localstack: startLocalStack,
  elasticmq: startElasticMq,
  'fake-gcs-server': startFakeGcsServer,
  'gcp-storage-emulator': startGcpStorageEmulator,
};

/** S3 on a folder: the only one here that checks signatures, checksums and versions. */
async function startVersitygw(tell: Tell): Promise<StartedServer> {
  const installed = await installGoProgram(
    { name: 'versitygw', version: '1.8.0', module: 'github.com/versity/versitygw/cmd/versitygw' },
    tell,
  );
  return startWith(installed, async (folder, data, port) => {
    const objects = join(data, 'objects');
    const versions = join(data, 'versions');
    await mkdir(objects);
    await mkdir(versions);
    const keys = ['--access', TEST_KEYS.accessKeyId, '--secret', TEST_KEYS.secretAccessKey];
    const args = ['--port', `127.0.0.1:${port}`, ...keys, '--region', TEST_KEYS.region, '--quiet'];
    const url = `http://127.0.0.1:${port}`;
    const { stop } = await startServerProcess({
      name: 'versitygw',
      file: join(folder, 'versitygw'),
      args: [...args, 'posix', '--versioning-dir', versions, objects],
      folder: data,
      // Any answer will do: an unsigned request is refused, which is an answer.
      isReady: async () => (await fetch(url)).status > 0,
      readyLimitMs: READY_LIMIT_MS,
      stopSignal: 'SIGTERM',
    });
    return { url, keys: TEST_KEYS, stop };
  });
}

/** GCS uploads, preconditions of uploads and odd names, in memory. */
async function startFakeGcsServer(tell: Tell): Promise<StartedServer> {
  const installed = await installGoProgram(
    { name: 'fake-gcs-server', version: '1.56.1', module: 'github.com/fsouza/fake-gcs-server' },
    tell,
  );
  return startWith(installed, async (folder, data, port) => {
    const url = `http://127.0.0.1:${port}`;
    const { stop } = await startServerProcess({
      name: 'fake-gcs-server',
      file: join(folder, 'fake-gcs-server'),
      // Its own defaults are https, every address of the machine and a folder at the root of the disk.
      args: ['-scheme', 'http', '-host', '127.0.0.1', '-port', String(port), '-backend', 'memory'],
      folder: data,
      isReady: async () => (await fetch(`${url}/storage/v1/b`)).ok,
      readyLimitMs: READY_LIMIT_MS,
      stopSignal: 'SIGTERM',
    });
    return { url, keys: null, stop };
  });
}

/** GCS resumable uploads with status queries and resume; one connection at a time, it ignores preconditions. */
async function startGcpStorageEmulator(tell: Tell): Promise<StartedServer> {
  const version = '2026.7.19';
  const requirements = [`gcp-storage-emulator==${version}`];
  const installed = await installPythonProgram(
    { name: 'gcp-storage-emulator', version, requirements, minPythonMinor: 10 },
    tell,
  );
  return startWith(installed, async (folder, data, port) => {
    const url = `http://127.0.0.1:${port}`;
    const { stop } = await startServerProcess({
      name: 'gcp-storage-emulator',
      file: join(folder, 'bin', 'gcp-storage-emulator'),
      args: ['start', '--host', '127.0.0.1', '--port', String(port), '--in-memory', '--quiet'],
      folder: data,
      isReady: async () => (await fetch(`${url}/storage/v1/b?project=test`)).ok,
      readyLimitMs: READY_LIMIT_MS,
      stopSignal: 'SIGTERM',
    });
    return { url, keys: null, stop };
  });
}

/**
 * S3 with every odd key, and its notifications through SQS, SNS and EventBridge. It always listens on every address of its machine, so it gets a network of its own that has
 * nothing but a loopback, and one way in from here.
 */
async function startLocalStack(tell: Tell): Promise<StartedServer> {
  const problem = await ownNetworkProblem();
  if (problem !== null)
    return { kind: 'unavailable', reason: `it listens on every address and cannot be shut in: ${problem}` };
  const version = '2026.3.0';
  // The newest releases of these do not work with it: a module has moved, a method is gone.
  const pins = ['cbor2<5.8', 'pyopenssl==25.1.0', 'cryptography>=45.0.1,<46', 'service_identity'];
  const requirements = [`localstack-core[runtime]==${version}`, ...pins];
  const installed = await installPythonProgram(
    { name: 'localstack', version, requirements, minPythonMinor: 12 },
    tell,
  );
  return startWith(installed, async (folder, data, port) => {
    const wayIn = await openWayIn(join(data, 'way-in'), port);
    const url = `http://127.0.0.1:${port}`;
    const python = [join(folder, 'bin', 'python'), '-m', 'localstack.runtime.main'];
    const { file, args } = ownNetworkWrapper(join(data, 'way-in'), port, python);
    try {
      const { stop } = await startServerProcess({
        name: 'localstack',
        file,
        args,
        folder: data,
        environment: {
          GATEWAY_LISTEN: `127.0.0.1:${port}`,
          LOCALSTACK_HOST: `127.0.0.1:${port}`,
          SERVICES: 's3,sqs,sns,events,sts,ssm,secretsmanager',
          SQS_ENDPOINT_STRATEGY: 'path',
          DISABLE_EVENTS: '1',
          SKIP_SSL_CERT_DOWNLOAD: '1',
          DNS_ADDRESS: '0',
          FILESYSTEM_ROOT: join(data, 'root'),
        },
        isReady: async () => (await fetch(`${url}/_localstack/health`)).ok,
        readyLimitMs: READY_LIMIT_MS,
        // The wrapper does not pass a gentle signal on; nothing in there outlives it.
        stopSignal: 'SIGKILL',
      });
      const stopAll = async (): Promise<void> => {
        await wayIn.close();
        await stop();
      };
      return { url, keys: TEST_KEYS, stop: stopAll };
    } catch (error) {
      await wayIn.close();
      throw error;
    }
  });
}

/** SQS that keeps to the limits of the real one and refuses receipts that were overtaken. */
async function startElasticMq(tell: Tell): Promise<StartedServer> {
  const installed = await installJavaProgram(
    { name: 'elasticmq', version: '1.7.1', groupId: 'org.elasticmq', artifactId: 'elasticmq-server_2.13' },
    tell,
  );
  return startWith(installed, async (folder, data, port) => {
    const own = `host = "127.0.0.1", port = ${port}, context-path = ""`;
    const bind = `bind-port = ${port}, bind-hostname = "127.0.0.1", sqs-limits = strict`;
    const configuration = join(data, 'elasticmq.conf');
    await writeFile(
      configuration,
      [
        'include classpath("application.conf")',
        `node-address { protocol = http, ${own} }`,
        `rest-sqs { enabled = true, ${bind} }`,
        'rest-stats { enabled = false }',
        'queues { }',
      ].join('\n'),
    );
    const url = `http://127.0.0.1:${port}`;
    const memory = ['-XX:+UseSerialGC', '-Xmx256m'];
    const main = ['-cp', join(folder, 'lib', '*'), 'org.elasticmq.server.Main'];
    const { stop } = await startServerProcess({
      name: 'elasticmq',
      file: 'java',
      args: [...memory, `-Dconfig.file=${configuration}`, ...main],
      folder: data,
      isReady: async () => (await fetch(`${url}/?Action=ListQueues`)).ok,
      readyLimitMs: READY_LIMIT_MS,
      stopSignal: 'SIGTERM',
    });
    return { url, keys: TEST_KEYS, stop };
  });
}

type Start = (
  folder: string,
  data: string,
  port: number,
) => Promise<ServerAddress & { readonly stop: () => Promise<void> }>;

/** Gives a server a port and a temporary folder, which goes when the server stops. */
async function startWith(installed: Installed, start: Start): Promise<StartedServer> {
  if (installed.kind === 'unavailable') return installed;
  const data = await mkdtemp(join(tmpdir(), 'interop-'));
  const removeNow = (): void => rmSync(data, { recursive: true, force: true });
  process.once('exit', removeNow);
  const remove = async (): Promise<void> => {
    process.removeListener('exit', removeNow);
    await rm(data, { recursive: true, force: true, maxRetries: 5 });
  };
  try {
    const { stop, ...address } = await start(installed.folder, data, await freePort());
    const stopAll = async (): Promise<void> => {
      await stop();
      await remove();
    };
    return { kind: 'running', ...address, stop: stopAll };
  } catch (error) {
    await remove();
    throw error;
  }
}
