// `npm run sandbox`: two clouds on a laptop. S3 on port 9000 and GCS on port 9001, or where `-- --s3-port N
// --gcs-port N` says; `-- --notify URL` posts every S3 notification there, with `--api-key KEY` where it needs one.
import { parseArgs } from 'node:util';
import { commandsToTry, undeliveredLine } from './commands-to-try.ts';
import { SOURCE_BUCKET, startTwoClouds, TARGET_BUCKET, type TwoClouds } from './two-clouds.ts';

const { values } = parseArgs({
  options: {
    's3-port': { type: 'string', default: '9000' },
    'gcs-port': { type: 'string', default: '9001' },
    notify: { type: 'string', default: 'http://127.0.0.1:8080/v1/events' },
    'api-key': { type: 'string' },
  },
});

function start(): void {
  const ports = { s3: Number(values['s3-port']), gcs: Number(values['gcs-port']) };
  startTwoClouds(ports).then(run, (error: unknown) => {
    process.stderr.write(`The sandbox cannot start: ${whyNot(error, ports.gcs)}\n`);
    // The other cloud may be listening already.
    process.exit(1);
  });
}

function whyNot(error: unknown, gcsPort: number): string {
  if (!(error instanceof Error)) return String(error);
  if (!('code' in error && error.code === 'EADDRINUSE' && 'port' in error)) return error.message;
  const flag = error.port === gcsPort ? '--gcs-port' : '--s3-port';
  return `port ${String(error.port)} is taken by another process. Stop it, or choose another port: npm run sandbox -- ${flag} N`;
}

function run(clouds: TwoClouds): void {
  const apiKey = values['api-key'];
  clouds.s3.setNotification(SOURCE_BUCKET, values.notify, {
    ...(apiKey === undefined ? {} : { headers: { authorization: `Bearer ${apiKey}` } }),
    onUndelivered: (failure) => {
      const line = undeliveredLine(failure);
      if (line !== null) process.stdout.write(`${line}\n`);
    },
  });
  const stop = (): void => {
    void clouds.close();
  };
  process.once('SIGINT', stop);
  process.once('SIGTERM', stop);
  const lines = [
    'Two clouds are running on this machine. They keep everything in memory and forget it when they stop.',
    '',
    `  S3   ${clouds.s3.url}   bucket ${SOURCE_BUCKET}`,
    `  GCS  ${clouds.gcs.url}   bucket ${TARGET_BUCKET}`,
    `  S3 notifications go to ${values.notify}`,
    '',
    'Settings of the service (put them into .env, then npm start in a second terminal):',
    '',
    ...Object.entries(clouds.settings).map(([name, value]) => `  ${name}=${value}`),
    '',
    'Then write an object and look for its copy:',
    '',
    ...commandsToTry(clouds.s3.url, clouds.gcs.url),
    '',
    'Stop with Ctrl-C.',
  ];
  process.stdout.write(`${lines.join('\n')}\n`);
}

start();
