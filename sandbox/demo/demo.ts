// `npm run demo`: the product's main job on this machine alone. Files go into S3 by the AWS SDK, the notification
// travels through the built Lambda forwarder to the service, and Google's own client checks what arrived in GCS.
// Every deviation ends the demo with a non-zero code and says what it was. `-- --keep` leaves everything running.
import { createHash, randomBytes } from 'node:crypto';
import { EventEmitter } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs, styleText } from 'node:util';
import { buildForwarder } from '../../deploy/lambda/build.ts';
import { commandsToTry } from '../commands-to-try.ts';
import { SOURCE_BUCKET, startTwoClouds, TARGET_BUCKET } from '../two-clouds.ts';
import { Journey } from './journey.ts';
import { freePort, startService } from '../service-process.ts';

const { values: flags } = parseArgs({ options: { keep: { type: 'boolean', default: false } } });
const say = (line: string): void => void process.stdout.write(`${line}\n`);
const heading = (text: string): void => say(`\n${styleText('bold', text)}`);
const logLine = (line: string): void => say(styleText('dim', `    service | ${line}`));
// Google's client puts more listeners on its download streams than Node's warning allows.
EventEmitter.defaultMaxListeners = 50;

type Handler = (event: unknown, context: object) => Promise<unknown>;

async function main(): Promise<void> {
  const startedMs = performance.now();
  const folder = await mkdtemp(join(tmpdir(), 'replicator-demo-'));
  await using cleanup = new AsyncDisposableStack();
  cleanup.defer(async () => rm(folder, { recursive: true, force: true }));

  heading('1. Two clouds, one service, one function');
  const clouds = await startTwoClouds({ s3: 0, gcs: 0 });
  cleanup.defer(async () => clouds.close());
  say(`  S3   ${clouds.s3.url}, bucket ${SOURCE_BUCKET}`);
  say(`  GCS  ${clouds.gcs.url}, bucket ${TARGET_BUCKET}`);

  const apiKey = `rpl_demo_${randomBytes(32).toString('base64url')}`;
  const service = await startService({
    settings: {
      ...clouds.settings,
      HOST: '127.0.0.1',
      REPLICATOR_DATA_DIR: join(folder, 'data'),
      REPLICATOR_API_KEYS: `admin:demo:${createHash('sha256').update(apiKey).digest('hex')}`,
      LOG_FORMAT: 'pretty',
    },
    port: await freePort(),
    apiKey,
    folder,
    onLog: logLine,
  });
  cleanup.defer(async () => void (await service.stop()));
  say(`  Service ${service.url}, queue in ${join(folder, 'data')}`);

  const forwarder = await buildForwarder(join(folder, 'lambda'));
  say(`  Lambda forwarder ${forwarder.bytes} bytes, zip ${forwarder.zipBytes} bytes`);
  process.env['REPLICATOR_URL'] = service.url;
  process.env['REPLICATOR_API_KEY'] = apiKey;
  const { handler } = (await import(pathToFileURL(forwarder.file).href)) as { handler: Handler };
  clouds.s3.setNotification(SOURCE_BUCKET, async (event) => {
    const context = { awsRequestId: crypto.randomUUID(), getRemainingTimeInMillis: () => 30_000 };
    await handler(event, context);
  });

  const journey = new Journey({ clouds, service, folder, say, heading });
  cleanup.defer(async () => journey.close());
  await journey.copyFiles();
  await journey.skipUnchanged();
  await journey.replaceOne();
  journey.summarise(Math.round(performance.now() - startedMs));
  if (flags.keep) await keep(service.url, apiKey, clouds.s3.url, clouds.gcs.url);
}

async function keep(serviceUrl: string, apiKey: string, s3Url: string, gcsUrl: string): Promise<void> {
  heading('Everything keeps running. Try it in another terminal; stop with Ctrl-C.');
  say(`  Live page:  ${serviceUrl}/`);
  say(`  API key:    ${apiKey}`);
  say('');
  for (const line of commandsToTry(s3Url, gcsUrl)) say(line);
  say('');
  say(`  curl -X POST ${serviceUrl}/v1/replicate -H 'authorization: Bearer ${apiKey}' \\`);
  say(
    `    -H 'content-type: application/json' -H 'prefer: wait=30' -d '{"bucket": "${SOURCE_BUCKET}", "key": "small.txt"}'`,
  );
  await new Promise<void>((resolve) => {
    process.once('SIGINT', resolve);
    process.once('SIGTERM', resolve);
  });
}

try {
  await main();
} catch (error) {
  say(styleText('red', `\nThe demo failed: ${error instanceof Error ? error.message : String(error)}`));
  process.exitCode = 1;
}
