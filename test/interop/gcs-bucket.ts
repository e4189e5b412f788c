// A bucket of an independent GCS server, read and written past our driver, in the shape that the target's contract
// asks for.
import assert from 'node:assert/strict';
import { request } from 'node:http';
import { openGcsTarget } from '../../src/stores/gcs/gcs-target.ts';
import { SYSTEM_CLOCK } from '../../src/system-clock.ts';
import type { ObjectTargetFixture } from '../contract/object-target-fixture.ts';
import type { ServerAddress } from './servers.ts';

interface RawAnswer {
  readonly status: number;
  readonly bytes: Buffer;
}

/** Makes the bucket and opens our driver on it, with at most `connections` at once. */
export async function openGcsBucket(
  address: ServerAddress,
  bucket: string,
  connections: number,
): Promise<ObjectTargetFixture> {
  const json = { 'content-type': 'application/json' };
  const named = Buffer.from(JSON.stringify({ name: bucket }));
  const made = await exchange(address, 'POST', '/storage/v1/b?project=test', json, named);
  assert.equal(made.status, 200, `The bucket was not made: ${made.bytes.toString()}`);
  const target = await openGcsTarget({
    endpoint: address.url,
    accessToken: null,
    clock: SYSTEM_CLOCK,
    timeouts: { connectMs: 5000, headersMs: 15_000, bodyIdleMs: 15_000 },
    connections,
  });
  return {
    target,
    bucket,
    async readBytes(key) {
      const path = `/storage/v1/b/${bucket}/o/${encodeURIComponent(key)}?alt=media`;
      // Without it a store may decompress what says to be gzip.
      const answer = await exchange(address, 'GET', path, { 'accept-encoding': 'gzip' }, null);
      assert.ok(answer.status === 200 || answer.status === 404, `Reading ${key} answered ${answer.status}`);
      return answer.status === 404 ? null : answer.bytes;
    },
    async foreignWrite(key, bytes) {
      const path = `/upload/storage/v1/b/${bucket}/o?uploadType=media&name=${encodeURIComponent(key)}`;
      const answer = await exchange(address, 'POST', path, { 'content-type': 'text/plain' }, bytes);
      assert.equal(answer.status, 200, answer.bytes.toString());
    },
    close: async () => target.close(),
  };
}

/** One request with its path exactly as written: nothing here resolves `..` in a name. */
async function exchange(
  { url }: ServerAddress,
  method: string,
  path: string,
  headers: Readonly<Record<string, string>>,
  body: Uint8Array | null,
): Promise<RawAnswer> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const length = body === null ? {} : { 'content-length': body.length };
    const sent = request({ hostname, port, method, path, headers: { ...headers, ...length }, agent: false });
    sent.once('error', reject);
    sent.once('response', (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.once('error', reject);
      response.once('end', () => {
        resolve({ status: response.statusCode ?? 0, bytes: Buffer.concat(chunks) });
      });
    });
    sent.end(body ?? undefined);
  });
}
