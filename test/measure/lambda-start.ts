// Measures how long the Lambda functions take to start, each inside of a runtime: from the process to its first request
// for an event, and to the first answer. AWS's own runtime client where it can be had, else the one of the tests.
// npm run measure:lambda -- --starts 15
// The figures are those of this machine. What Lambda adds (fetching the archive, starting its own machine) is not in
// them, and a function has the more of a processor the more memory it has.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { buildForwarder, buildReplicator } from '../../deploy/lambda/build.ts';
import { SOURCE_BUCKET, startTwoClouds } from '../../sandbox/two-clouds.ts';
import { clientRuntime, installLambdaClient } from '../interop/lambda-client.ts';
import { OWN_RUNTIME, type Runtime, startFunction } from '../lambda/function-process.ts';
import { notification } from '../system/service-under-test.ts';

interface Measured {
  readonly name: string;
  readonly folder: string;
  readonly zipBytes: number;
  readonly memoryMb: number;
  readonly environment: Readonly<Record<string, string>>;
  /** The first event of the nth start. */
  readonly event: (nth: number) => Promise<unknown>;
}

const { values } = parseArgs({ options: { starts: { type: 'string', default: '15' } } });
const starts = Number(values.starts);
const folder = mkdtempSync(join(tmpdir(), 'lambda-start-'));
const clouds = await startTwoClouds({ s3: 0, gcs: 0 });
const service = createServer((req, res) => {
  req.resume().once('end', () => {
    res.writeHead(202, { 'content-type': 'application/json' });
    res.end('{"accepted":1,"ignored":0,"quarantined":0,"transfers":[{}]}');
  });
});
await new Promise<void>((resolve) => {
  service.listen(0, '127.0.0.1', resolve);
});
try {
  const runtime = await chooseRuntime();
  console.log(
    `${starts} cold starts of each function in ${runtime.name}, Node ${process.versions.node}; medians`,
  );
  for (const measured of await functions()) await measure(measured, runtime);
} finally {
  await clouds.close();
  service.close();
  rmSync(folder, { recursive: true, force: true });
}

async function chooseRuntime(): Promise<Runtime> {
  const installed = await installLambdaClient(console.log);
  if (installed.kind === 'installed') return clientRuntime(installed.folder);
  console.log(`without AWS's runtime client: ${installed.reason}`);
  return OWN_RUNTIME;
}

async function functions(): Promise<readonly Measured[]> {
  const empty = join(folder, 'empty');
  mkdirSync(empty);
  writeFileSync(join(empty, 'index.mjs'), 'export const handler = async () => null;\n');
  const forward = await buildForwarder(folder);
  const replicate = await buildReplicator(folder);
  const { port } = service.address() as AddressInfo;
  const event = async (): Promise<unknown> => notification(['a']);
  return [
    { name: 'nothing', folder: empty, zipBytes: 0, memoryMb: 128, environment: {}, event },
    {
      ...forward,
      memoryMb: 128,
      environment: { REPLICATOR_URL: `http://127.0.0.1:${port}`, REPLICATOR_API_KEY: 'rpl_x_1' },
      event,
    },
    {
      ...replicate,
      memoryMb: 512,
      environment: { ...clouds.settings, ...clouds.queueSettings },
      event: async (nth) => {
        const key = `object-${nth}`;
        await clouds.s3.putObject(SOURCE_BUCKET, key, 'content');
        const body = JSON.stringify(notification([key]));
        return { Records: [{ eventSource: 'aws:sqs', messageId: key, receiptHandle: 'r', body }] };
      },
    },
  ];
}

async function measure(measured: Measured, runtime: Runtime): Promise<void> {
  const { name, zipBytes, event } = measured;
  const startMs: number[] = [];
  const answerMs: number[] = [];
  const peakMib: number[] = [];
  for (let nth = 0; nth < starts; nth += 1) {
    const first = await event(nth);
    const running = await startFunction({ ...measured, runtime });
    const end = await running.invoke(first);
    if (end.kind === 'error') throw new Error(`${name} failed: ${end.errorMessage}`);
    startMs.push(running.startedMs - running.spawnedMs);
    answerMs.push(end.atMs - running.spawnedMs);
    peakMib.push((running.peakMemoryBytes() ?? 0) / 2 ** 20);
    await running.stop();
  }
  const figures = [
    `started after ${Math.round(median(startMs))} ms`,
    `first answer after ${Math.round(median(answerMs))} ms`,
    `${Math.round(median(peakMib))} MiB of memory`,
    `archive ${zipBytes} bytes`,
  ];
  console.log(`${name.padEnd(10)} ${figures.join(', ')}`);
}

function median(figures: readonly number[]): number {
  return figures.toSorted((a, b) => a - b)[Math.floor(figures.length / 2)] ?? 0;
}
