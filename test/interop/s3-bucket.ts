// A bucket of an independent S3 server, filled by Amazon's own client, and our driver opened on it.
import {
  CreateBucketCommand,
  DeleteObjectCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
  type PutObjectCommandInput,
  S3Client,
} from '@aws-sdk/client-s3';
import type { ObjectSource } from '../../src/core/object-source.ts';
import { openS3Source } from '../../src/stores/s3/s3-source.ts';
import { SYSTEM_CLOCK } from '../../src/system-clock.ts';
import type { ServerAddress } from './servers.ts';

export interface S3Bucket {
  readonly source: ObjectSource;
  readonly bucket: string;
  /** Puts an object past the driver; `more` are further fields of the request. */
  readonly put: (key: string, bytes: Uint8Array, more?: Partial<PutObjectCommandInput>) => Promise<void>;
  readonly remove: (key: string) => Promise<void>;
  readonly close: () => Promise<void>;
}

/** Makes the bucket, with versions where asked for. `secretAccessKey` replaces the right one in the driver only. */
export async function openS3Bucket(
  address: ServerAddress,
  bucket: string,
  options: { readonly isVersioned: boolean; readonly secretAccessKey?: string },
): Promise<S3Bucket> {
  const { url, keys } = address;
  if (keys === null) throw new Error(`The server at ${url} has no keys: it is no S3 server`);
  const client = new S3Client({
    endpoint: url,
    region: keys.region,
    credentials: keys,
    forcePathStyle: true,
  });
  await client.send(new CreateBucketCommand({ Bucket: bucket }));
  if (options.isVersioned) {
    const VersioningConfiguration = { Status: 'Enabled' as const };
    await client.send(new PutBucketVersioningCommand({ Bucket: bucket, VersioningConfiguration }));
  }
  const secretAccessKey = options.secretAccessKey ?? keys.secretAccessKey;
  const source = await openS3Source({
    region: keys.region,
    endpoint: url,
    credentials: async () => ({ accessKeyId: keys.accessKeyId, secretAccessKey }),
    expectedOwner: () => null,
    clock: SYSTEM_CLOCK,
  });
  return {
    source,
    bucket,
    async put(key, bytes, more = {}) {
      await client.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: bytes, ...more }));
    },
    async remove(key) {
      await client.send(new DeleteObjectCommand({ Bucket: bucket, Key: key }));
    },
    async close() {
      client.destroy();
      await source.close();
    },
  };
}
