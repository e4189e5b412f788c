// A plain HTTP client for tests of the sandbox: sends exactly the path, headers and bytes it is given.
import assert from 'node:assert/strict';
import { type IncomingHttpHeaders, request } from 'node:http';
import { type JsonObject, isJsonObject } from './gcs-query.ts';

export interface RawAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly bytes: Buffer;
  readonly text: string;
  /** The body as a JSON object; fails the test when it is none. */
  json(): JsonObject;
  /** `errors[0].reason` of an error body; fails the test when there is none. */
  reason(): unknown;
}

export interface RawRequest {
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
}

/** Sends one request. Rejects when the connection breaks before the whole answer. */
export async function rawRequest(
  method: string,
  url: string,
  { headers = {}, body = '' }: RawRequest = {},
): Promise<RawAnswer> {
  const origin = /^http:\/\/([^/:]+):(\d+)(.*)$/.exec(url);
  assert.ok(origin, `not a URL of a sandbox: ${url}`);
  const [, host, port, path] = origin;
  return new Promise<RawAnswer>((resolve, reject) => {
    const sent = request(
      { host, port, path, method, headers: { 'content-length': Buffer.byteLength(body), ...headers } },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () =>
          resolve(answerOf(response.statusCode ?? 0, response.headers, Buffer.concat(chunks))),
        );
      },
    );
    sent.on('error', reject);
    sent.end(body);
  });
}

/** Opens a resumable upload of `name` in bucket `b`; the session's URI. */
export async function openUpload(
  url: string,
  name: string,
  { query = '', metadata = {} }: { readonly query?: string; readonly metadata?: JsonObject } = {},
): Promise<string> {
  const opened = await rawRequest(
    'POST',
    `${url}/upload/storage/v1/b/b/o?uploadType=resumable&name=${encodeURIComponent(name)}${query}`,
    { headers: { 'content-type': 'application/json' }, body: JSON.stringify(metadata) },
  );
  assert.equal(opened.status, 200, opened.text);
  const { location } = opened.headers;
  assert.ok(location !== undefined, 'an opened upload tells its session URI');
  return location;
}

/** Writes an object of bucket `b` in one request; its resource. */
export async function insertMedia(url: string, name: string, body: string | Uint8Array): Promise<JsonObject> {
  const inserted = await rawRequest(
    'POST',
    `${url}/upload/storage/v1/b/b/o?uploadType=media&name=${encodeURIComponent(name)}`,
    { body },
  );
  assert.equal(inserted.status, 200, inserted.text);
  return inserted.json();
}

function answerOf(status: number, headers: IncomingHttpHeaders, bytes: Buffer): RawAnswer {
  const json = (): JsonObject => {
    const parsed: unknown = JSON.parse(bytes.toString('utf8'));
    assert.ok(isJsonObject(parsed), 'the answer is a JSON object');
    return parsed;
  };
  return {
    status,
    headers,
    bytes,
    text: bytes.toString('utf8'),
    json,
    reason: () => {
      const { error } = json();
      const errors: unknown = isJsonObject(error) ? error['errors'] : null;
      const first: unknown = Array.isArray(errors) ? errors[0] : null;
      assert.ok(isJsonObject(first), 'an error answer has errors[0]');
      return first['reason'];
    },
  };
}
