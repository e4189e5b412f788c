// The documents that the measurement of the intake sends: S3 notifications with keys that no other document has.
import { SOURCE_BUCKET } from '../../sandbox/two-clouds.ts';

/** The JSON text of one notification with so many changes. */
export function documentOf(prefix: string, index: number, changes: number): string {
  return JSON.stringify({
    Records: Array.from({ length: changes }, (_, change) => ({
      eventVersion: '2.1',
      eventSource: 'aws:s3',
      awsRegion: 'us-east-1',
      eventTime: '2026-11-30T09:00:00.000Z',
      eventName: 'ObjectCreated:Put',
      s3: {
        bucket: { name: SOURCE_BUCKET },
        object: {
          key: `${prefix}/${index % 997}/${index}-${change}`,
          size: 1024,
          sequencer: '0055AED6DCD90281E5',
        },
      },
    })),
  });
}
