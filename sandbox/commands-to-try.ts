// What the sandbox and the demo tell a person who wants to try: commands to paste, and why nothing arrived.
import type { Undelivered } from './s3/notification.ts';
import { SANDBOX_KEYS, SOURCE_BUCKET, TARGET_BUCKET } from './two-clouds.ts';

/** Lines for a terminal in this folder: write an object, with the AWS command line or without, and look at its copy. */
export function commandsToTry(s3Url: string, gcsUrl: string): string[] {
  const { accessKeyId, secretAccessKey } = SANDBOX_KEYS;
  return [
    '  curl --aws-sigv4 "aws:amz:us-east-1:s3" -H "x-amz-content-sha256: UNSIGNED-PAYLOAD" \\',
    `    --user ${accessKeyId}:${secretAccessKey} -T README.md ${s3Url}/${SOURCE_BUCKET}/hello.md`,
    '',
    '  or, with the AWS command line:',
    '',
    `  AWS_ACCESS_KEY_ID=${accessKeyId} AWS_SECRET_ACCESS_KEY=${secretAccessKey} AWS_REGION=us-east-1 \\`,
    `    aws --endpoint-url ${s3Url} s3 cp README.md s3://${SOURCE_BUCKET}/hello.md`,
    '',
    '  and its copy:',
    '',
    `  curl ${gcsUrl}/storage/v1/b/${TARGET_BUCKET}/o/hello.md`,
  ];
}

/** One line about a notification that was given up; null for the test event, which is sent before anybody listens. */
export function undeliveredLine({ key, reason, status }: Undelivered): string | null {
  if (key === null) return null;
  return `notification for ${JSON.stringify(key)} not delivered: ${reason}; ${remedyFor(status)}, then write the object again`;
}

function remedyFor(status: number | null): string {
  switch (status) {
    case null:
      return 'start the service there (npm start), or name its address with -- --notify URL';
    case 401:
    case 403:
      return 'start the sandbox with -- --api-key KEY, a key of scope write';
    case 404:
    case 405:
      return 'the address of -- --notify has to end in /v1/events';
    default:
      return 'see the log of the service';
  }
}
