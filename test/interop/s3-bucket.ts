// Two buckets of an independent S3 server, filled by Amazon's own client, and our driver opened on them.
import { randomBytes } from 'node:crypto';
import {
  CreateBucketCommand,
  DeleteObjectCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { openS3Source } from '../../src/stores/s3/s3-source.ts';
import { SYSTEM_CLOCK } from '../../src/system-clock.ts';
import type { ObjectSourceFixture } from '../contract/object-source-fixture.ts';
import type { ServerAddress } from './servers.ts';

const CONNECTION_COUNT = 2;

/** Makes the buckets, one with versions. `secretAccessKey` replaces the right one in the driver only. */
export async function openS3Buckets(
  { url, keys }: ServerAddress,
  options: { readonly secretAccessKey?: string } = {},
): Promise<ObjectSourceFixture> {
  if (keys === null) throw new Error(`The server at ${url} has no keys: it is no S3 server`);
  const { region, ...credentials } = keys;
  const client = new S3Client({ endpoint: url, region, credentials, forcePathStyle: true });
  const id = randomBytes(4).toString('hex');
  const bucket = `plain-${id}`;
  const versionedBucket = `versioned-${id}`;
  for (const Bucket of [bucket, versionedBucket]) await client.send(new CreateBucketCommand({ Bucket }));
  const VersioningConfiguration = { Status: 'Enabled' as const };
  await client.send(new PutBucketVersioningCommand({ Bucket: versionedBucket, VersioningConfiguration }));
  const source = await openS3Source({
    region,
    endpoint: url,
    credentials: async () => ({ ...credentials, ...options }),
    expectedOwner: () => null,
    clock: SYSTEM_CLOCK,
    connections: CONNECTION_COUNT,
  });
  return {
    source,
    bucket,
    versionedBucket,
    missingBucket: `missing-${id}`,
    connectionCount: CONNECTION_COUNT,
    async put(location, bytes, { user, contentType, contentEncoding, ...more }) {
      await client.send(
        new PutObjectCommand({
          Bucket: location.bucket,
          Key: location.key,
          Body: bytes,
          ContentType: contentType,
          ContentEncoding: contentEncoding,
          CacheControl: more.cacheControl,
          ContentDisposition: more.contentDisposition,
          ContentLanguage: more.contentLanguage,
          Metadata: user === undefined ? undefined : asHeaderValues(user),
        }),
      );
    },
    async remove(location) {
      await client.send(new DeleteObjectCommand({ Bucket: location.bucket, Key: location.key }));
    },
    async close() {
      client.destroy();
      await source.close();
    },
  };
}

/** Header values are ASCII: other text goes as RFC 2047 words, which is how S3 itself shows it. */
function asHeaderValues(user: Readonly<Record<string, string>>): Record<string, string> {
  const encoded = Object.entries(user).map(([name, value]): [string, string] => [
    name,
    /^[\x20-\x7e]*$/.test(value) ? value : `=?UTF-8?B?${Buffer.from(value).toString('base64')}?=`,
  ]);
  return Object.fromEntries(encoded);
}
