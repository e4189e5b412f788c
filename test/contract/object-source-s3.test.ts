// The S3 source under the contract of its port, against the sandbox: real HTTP, checked signatures.
import assert from 'node:assert/strict';
import { startSandboxS3 } from '../../sandbox/s3/sandbox-s3.ts';
import { openS3Source } from '../../src/stores/s3/s3-source.ts';
import { testObjectSource } from './object-source.contract.ts';

const credentials = { accessKeyId: 'AKIDCONTRACT', secretAccessKey: 'a-secret-of-the-contract' };
const CONNECTION_COUNT = 2;

for (const httpClient of ['own', 'undici'] as const)
  testObjectSource({
    name: `S3, sandbox, client ${httpClient}`,
    async open() {
      const sandbox = await startSandboxS3(credentials);
      sandbox.createBucket('plain');
      sandbox.createBucket('versioned', { versioned: true });
      const source = await openS3Source({
        region: 'us-east-1',
        endpoint: sandbox.url,
        credentials: async () => credentials,
        expectedOwner: () => '123456789012',
        clock: {
          nowMs: () => Date.now(),
          monotonicMs: () => performance.now(),
          sleep: () => Promise.reject(new Error('The source does not sleep')),
        },
        connections: CONNECTION_COUNT,
        httpClient,
      });
      return {
        source,
        bucket: 'plain',
        versionedBucket: 'versioned',
        missingBucket: 'missing',
        connectionCount: CONNECTION_COUNT,
        async put({ bucket, key }, bytes, options) {
          const { contentType, contentEncoding, user = {} } = options;
          const systemHeaders = {
            ...header('cache-control', options.cacheControl),
            ...header('content-disposition', options.contentDisposition),
            ...header('content-language', options.contentLanguage),
          };
          await sandbox.putObject(bucket, key, bytes, {
            systemHeaders,
            metadata: user,
            ...(contentType === undefined ? {} : { contentType }),
            ...(contentEncoding === undefined ? {} : { contentEncoding }),
          });
        },
        async remove({ bucket, key }) {
          sandbox.deleteObject(bucket, key);
        },
        async close() {
          await source.close();
          await sandbox.close();
          assert.equal(sandbox.faults.pending, 0);
        },
      };
    },
  });

function header(name: string, value: string | undefined): Record<string, string> {
  return value === undefined ? {} : { [name]: value };
}
