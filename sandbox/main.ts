// `npm run sandbox`: two clouds on a laptop. S3 on port 9000, GCS on 9001 and SQS on 9002, or where `-- --s3-port N
// --gcs-port N --sqs-port N` says; `-- --notify URL` posts every S3 notification there, with `--api-key KEY` where it
// needs one; `-- --through sqs` sends them to a queue instead.
import { parseArgs } from 'node:util';
import { commandsToTry, undeliveredLine } from './commands-to-try.ts';
import {
  CHANGES_QUEUE,
  SANDBOX_ACCOUNT_ID,
  SOURCE_BUCKET,
  startTwoClouds,
  TARGET_BUCKET,
  type TwoClouds,
} from './two-clouds.ts';

const { values } = parseArgs({
  options: {
    's3-port': { type: 'string', default: '9000' },
    'gcs-port': { type: 'string', default: '9001' },
    'sqs-port': { type: 'string', default: '9002' },
    through: { type: 'string', default: 'http' },
    notify: { type: 'string', default: 'http://127.0.0.1:8080/v1/events' },
    'api-key': { type: 'string' },
  },
});

function start(): void {
  const ports = {
    s3: Number(values['s3-port']),
    gcs: Number(values['gcs-port']),
    sqs: Number(values['sqs-port']),
  };
  const fail = (reason: string): void => {
    process.stderr.write(`The sandbox cannot start: ${reason}\n`);
    // Another part of it may be listening already.
    process.exit(1);
  };
  if (values.through !== 'http' && values.through !== 'sqs') {
    fail(`--through ${values.through} is not known. Use --through http or --through sqs`);
    return;
  }
  const through = values.through === 'sqs' ? 'sqs' : 'none';
  startTwoClouds({ ...ports, through }).then(run, (error: unknown) => fail(whyNot(error, ports)));
}

function whyNot(error: unknown, ports: { readonly gcs: number; readonly sqs: number }): string {
  if (!(error instanceof Error)) return String(error);
  if (!('code' in error && error.code === 'EADDRINUSE' && 'port' in error)) return error.message;
  const flag =
    error.port === ports.gcs ? '--gcs-port' : error.port === ports.sqs ? '--sqs-port' : '--s3-port';
  return `port ${String(error.port)} is taken by another process. Stop it, or choose another port: npm run sandbox -- ${flag} N`;
}

function run(clouds: TwoClouds): void {
  const isThroughQueue = values.through === 'sqs';
  if (!isThroughQueue) postNotifications(clouds);
  const stop = (): void => {
    void clouds.close();
  };
  process.once('SIGINT', stop);
  process.once('SIGTERM', stop);
  const lines = [
    'Two clouds are running on this machine. They keep everything in memory and forget it when they stop.',
    '',
    `  S3   ${clouds.s3.url}   bucket ${SOURCE_BUCKET}, owner account ${SANDBOX_ACCOUNT_ID}`,
    `  GCS  ${clouds.gcs.url}   bucket ${TARGET_BUCKET}`,
    `  SQS  ${clouds.sqs.url}   queue ${CHANGES_QUEUE}`,
    `  SNS  ${clouds.sns.url}   STS  ${clouds.sts.url}`,
    `  S3 notifications go to ${isThroughQueue ? `the queue ${CHANGES_QUEUE}` : values.notify}`,
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

function postNotifications(clouds: TwoClouds): void {
  const apiKey = values['api-key'];
  clouds.s3.setNotification(SOURCE_BUCKET, values.notify, {
    ...(apiKey === undefined ? {} : { headers: { authorization: `Bearer ${apiKey}` } }),
    onUndelivered: (failure) => {
      const line = undeliveredLine(failure);
      if (line !== null) process.stdout.write(`${line}\n`);
    },
  });
}

start();
