// `npm run sandbox`: two clouds on a laptop. S3 on port 9000 and GCS on port 9001, or the next free ports given by
// `-- --s3-port N --gcs-port N`; `-- --notify URL` posts every S3 notification there.
import { parseArgs } from 'node:util';
import { SANDBOX_KEYS, SOURCE_BUCKET, startTwoClouds, TARGET_BUCKET } from './two-clouds.ts';

const { values } = parseArgs({
  options: {
    's3-port': { type: 'string', default: '9000' },
    'gcs-port': { type: 'string', default: '9001' },
    notify: { type: 'string', default: 'http://127.0.0.1:8080/v1/events' },
  },
});
const clouds = await startTwoClouds({ s3: Number(values['s3-port']), gcs: Number(values['gcs-port']) });
clouds.s3.setNotification(SOURCE_BUCKET, values.notify);

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
  `  AWS_ACCESS_KEY_ID=${SANDBOX_KEYS.accessKeyId} AWS_SECRET_ACCESS_KEY=${SANDBOX_KEYS.secretAccessKey} AWS_REGION=us-east-1 \\`,
  `    aws --endpoint-url ${clouds.s3.url} s3 cp README.md s3://${SOURCE_BUCKET}/hello.md`,
  `  curl ${clouds.gcs.url}/storage/v1/b/${TARGET_BUCKET}/o/hello.md`,
  '',
  'Stop with Ctrl-C.',
];
process.stdout.write(`${lines.join('\n')}\n`);

const stop = (): void => {
  void clouds.close();
};
process.once('SIGINT', stop);
process.once('SIGTERM', stop);
