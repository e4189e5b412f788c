// What the driver sends, byte for byte, and how it reads answers that only the raw protocol can show.
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import type { TargetMetadata, TargetToken } from '../../core/object.ts';
import type { ObjectTarget } from '../../core/object-target.ts';
import {
  openOn,
  type RawAnswer,
  type RawRequest,
  type RawServer,
  refusal,
  resource,
  startRawServer,
} from './testing/raw-server.ts';

const TOKEN = '1760000000000001/7' as TargetToken;
const METADATA: TargetMetadata = {
  contentType: 'text/plain',
  cacheControl: null,
  contentDisposition: null,
  contentLanguage: null,
  contentEncoding: null,
  custom: { a: 'ü' },
};
const DEFAULT_PLACEMENT = { storageClass: null, kmsKeyName: null };
const FIELDS_QUERY =
  'fields=name%2Cgeneration%2Cmetageneration%2Csize%2Ccrc32c%2Cmd5Hash%2CcontentType%2CcacheControl%2C' +
  'contentDisposition%2CcontentLanguage%2CcontentEncoding%2Cmetadata';

function live(): AbortSignal {
  return new AbortController().signal;
}

async function opened(
  t: TestContext,
  answer: (request: RawRequest) => RawAnswer,
): Promise<{ target: ObjectTarget; server: RawServer }> {
  const server = await startRawServer(answer);
  const target = await openOn(server.url);
  t.after(async () => {
    await target.close();
    await server.close();
  });
  return { target, server };
}

function only(server: RawServer): RawRequest {
  assert.equal(server.requests.length, 1);
  const [request] = server.requests;
  assert.ok(request !== undefined);
  return request;
}

describe('requests of the gcs target', () => {
  it('a name is one percent-encoded segment, byte for byte', async (t) => {
    const { target, server } = await opened(t, () => ({ status: 200, body: resource() }));
    await target.look({ bucket: 'bucket', key: "a//b/../%2F +é😀?#'(*)" }, live());
    const { method, url } = only(server);
    assert.equal(method, 'GET');
    assert.equal(
      url,
      '/storage/v1/b/bucket/o/a%2F%2Fb%2F..%2F%252F%20%2B%C3%A9%F0%9F%98%80%3F%23%27%28%2A%29' +
        `?projection=noAcl&${FIELDS_QUERY}`,
    );
  });

  it('an insert carries metadata with the checksum first, then the bytes, on both conditions', async (t) => {
    const { target, server } = await opened(t, () => ({ status: 200, body: resource({ name: 'a b' }) }));
    const body = Buffer.alloc(300_000, 'x');
    const answer = await target.insert(
      {
        location: { bucket: 'bucket', key: 'a b' },
        condition: TOKEN,
        metadata: METADATA,
        placement: { storageClass: 'NEARLINE', kmsKeyName: 'projects/p/locations/l/keyRings/r/cryptoKeys/k' },
        body,
        crc32c: 'AAAAAA==',
        deadlineMs: 5_000,
      },
      live(),
    );
    assert.equal(answer.kind, 'committed');
    const { method, url, headers, body: sent } = only(server);
    assert.equal(method, 'POST');
    assert.equal(
      url,
      '/upload/storage/v1/b/bucket/o?uploadType=multipart&name=a%20b&ifGenerationMatch=1760000000000001' +
        '&ifMetagenerationMatch=7&kmsKeyName=projects%2Fp%2Flocations%2Fl%2FkeyRings%2Fr%2FcryptoKeys%2Fk' +
        `&${FIELDS_QUERY}`,
    );
    assert.equal(headers['content-length'], String(sent.length));
    assert.equal(headers['transfer-encoding'], undefined);
    const boundary = /^multipart\/related; boundary=(\S+)$/.exec(headers['content-type'] ?? '')?.[1] ?? '';
    const json =
      '{"metadata":{"a":"ü"},"contentType":"text/plain","storageClass":"NEARLINE","crc32c":"AAAAAA=="}';
    assert.equal(
      sent.toString(),
      `--${boundary}\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n${json}\r\n` +
        `--${boundary}\r\nContent-Type: text/plain\r\n\r\n${body.toString()}\r\n--${boundary}--\r\n`,
    );
  });

  it('an insert of an object without a type gives the store none to take', async (t) => {
    const { target, server } = await opened(t, () => ({ status: 200, body: resource() }));
    await target.insert(
      {
        location: { bucket: 'bucket', key: 'key' },
        condition: 'absent',
        metadata: { ...METADATA, contentType: null },
        placement: DEFAULT_PLACEMENT,
        body: Buffer.from('bytes'),
        crc32c: 'AAAAAA==',
        deadlineMs: 5_000,
      },
      live(),
    );
    const { url, body } = only(server);
    assert.match(url, /[?&]ifGenerationMatch=0&/);
    assert.doesNotMatch(url, /ifMetagenerationMatch/);
    assert.match(body.toString(), /\r\n--part-[^\r]+\r\n\r\nbytes\r\n/);
  });

  it('a metadata update names with null what goes away, on both conditions', async (t) => {
    const present = resource({ metageneration: '7', metadata: { old: '1', a: '2' } });
    const { target, server } = await opened(t, ({ method }) => ({
      status: 200,
      body: method === 'GET' ? present : resource({ metageneration: '8' }),
    }));
    const answer = await target.updateMetadata(
      { location: { bucket: 'bucket', key: 'key' }, token: TOKEN, metadata: METADATA, deadlineMs: 5_000 },
      live(),
    );
    assert.ok(answer.kind === 'committed');
    assert.equal(answer.object?.token, '1760000000000001/8');
    const patch = server.requests[1];
    assert.equal(patch?.method, 'PATCH');
    assert.match(patch.url, /\?ifGenerationMatch=1760000000000001&ifMetagenerationMatch=7&projection=noAcl&/);
    assert.deepEqual(JSON.parse(patch.body.toString()), {
      metadata: { old: null, a: 'ü' },
      contentType: 'text/plain',
      cacheControl: null,
      contentDisposition: null,
      contentLanguage: null,
      contentEncoding: null,
    });
  });

  it('a metadata update of another state sends no patch', async (t) => {
    const { target, server } = await opened(t, () => ({
      status: 200,
      body: resource({ metageneration: '8' }),
    }));
    const answer = await target.updateMetadata(
      { location: { bucket: 'bucket', key: 'key' }, token: TOKEN, metadata: METADATA, deadlineMs: 5_000 },
      live(),
    );
    assert.deepEqual(answer, { kind: 'conflict' });
    assert.equal(only(server).method, 'GET');
  });

  it('a failed look before a metadata update is a fault: nothing was changed', async (t) => {
    const { target } = await opened(t, () => refusal(503, 'backendError', 'Backend Error'));
    await assert.rejects(
      target.updateMetadata(
        { location: { bucket: 'bucket', key: 'key' }, token: TOKEN, metadata: METADATA, deadlineMs: 5_000 },
        live(),
      ),
      { code: 'target_unavailable' },
    );
  });

  it('a removal is conditioned and never names a generation to delete', async (t) => {
    const { target, server } = await opened(t, () => ({ status: 204 }));
    const answer = await target.remove(
      { location: { bucket: 'bucket', key: 'key' }, token: TOKEN, deadlineMs: 5_000 },
      live(),
    );
    assert.deepEqual(answer, { kind: 'committed', object: null });
    const { method, url } = only(server);
    assert.equal(method, 'DELETE');
    assert.equal(
      url,
      '/storage/v1/b/bucket/o/key?ifGenerationMatch=1760000000000001&ifMetagenerationMatch=7',
    );
  });

  it('a listing hands the cursor back as the page token', async (t) => {
    const { target, server } = await opened(t, () => ({
      status: 200,
      body: { items: [resource({ name: 'a+b/c' })], nextPageToken: 'next+/=' },
    }));
    const page = await target.list(
      { bucket: 'bucket', prefix: 'a+', cursor: 'this+/=', limit: 5_000 },
      live(),
    );
    assert.equal(page.nextCursor, 'next+/=');
    assert.equal(page.entries[0]?.key, 'a+b/c');
    const { url } = only(server);
    assert.match(
      url,
      /[?&]prefix=a%2B&pageToken=this%2B%2F%3D&maxResults=1000&fields=nextPageToken%2Citems%28name/,
    );
  });

  it('a name that the store reserves is refused before anything is sent', async (t) => {
    const { target, server } = await opened(t, () => ({ status: 200, body: resource() }));
    const reserved = { bucket: 'bucket', key: '.well-known/acme-challenge/x' };
    assert.match(target.capabilities.nameProblem(reserved) ?? '', /reserved/);
    await assert.rejects(target.look(reserved, live()), { code: 'name_not_storable' });
    assert.equal(
      target.capabilities.nameProblem({ bucket: 'bucket', key: 'a/.well-known/acme-challenge/x' }),
      null,
    );
    assert.equal(server.requests.length, 0);
  });

  it('a token that is none of ours is a programming error', async (t) => {
    const { target, server } = await opened(t, () => ({ status: 204 }));
    const location = { bucket: 'bucket', key: 'key' };
    await assert.rejects(
      target.remove({ location, token: 'etag' as TargetToken, deadlineMs: 5_000 }, live()),
      /Not a token/,
    );
    assert.equal(server.requests.length, 0);
  });
});

describe('answers to the gcs target', () => {
  it('a generation keeps all its 64 bits', async (t) => {
    const { target } = await opened(t, () => ({
      status: 200,
      body: resource({ generation: '9223372036854775807', metageneration: '12' }),
    }));
    const seen = await target.look({ bucket: 'bucket', key: 'key' }, live());
    assert.ok(seen.kind === 'present');
    assert.equal(seen.object.token, '9223372036854775807/12');
    assert.equal(seen.object.generation, '9223372036854775807');
  });

  it('an object of another name is never taken for the one asked for', async (t) => {
    const { target } = await opened(t, () => ({ status: 200, body: resource({ name: 'b' }) }));
    const location = { bucket: 'bucket', key: 'a/../b' };
    await assert.rejects(target.look(location, live()), { code: 'target_answer_mismatch' });
  });

  it('an absent object is told from a missing bucket', async (t) => {
    let message = 'No such object: bucket/key';
    const { target } = await opened(t, () => refusal(404, 'notFound', message));
    const location = { bucket: 'bucket', key: 'key' };
    assert.deepEqual(await target.look(location, live()), { kind: 'absent' });
    message = 'The specified bucket does not exist.';
    await assert.rejects(target.look(location, live()), { code: 'target_bucket_missing' });
  });

  it('a success without a readable object is a fault of a look, and of a listing', async (t) => {
    const { target } = await opened(t, () => ({ status: 200, body: '<html></html>' }));
    await assert.rejects(target.look({ bucket: 'bucket', key: 'key' }, live()), { code: 'target_error' });
    const listing = { bucket: 'bucket', prefix: '', cursor: null, limit: 10 };
    await assert.rejects(target.list(listing, live()), { code: 'target_error' });
  });

  it('a retention policy is a refusal, not a conflict', async (t) => {
    const { target } = await opened(t, () => refusal(412, 'retentionPolicyNotMet', 'Retention is not met'));
    const location = { bucket: 'bucket', key: 'key' };
    await assert.rejects(target.remove({ location, token: TOKEN, deadlineMs: 5_000 }, live()), {
      code: 'retention_blocked',
    });
  });
});

describe('the endpoint of the gcs target', () => {
  it('is accepted in the forms that emulators document, and refused in others', async (t) => {
    const server = await startRawServer(() => ({ status: 200, body: resource() }));
    t.after(async () => await server.close());
    for (const endpoint of [server.url, `${server.url}/`, server.host, `${server.url}/storage/v1/`]) {
      const target = await openOn(endpoint);
      assert.equal((await target.look({ bucket: 'bucket', key: 'key' }, live())).kind, 'present', endpoint);
      await target.close();
    }
    for (const endpoint of [
      '',
      'http://',
      `${server.url}/path`,
      `${server.url}?query`,
      'http://user:secret@host',
    ])
      await assert.rejects(openOn(endpoint), /endpoint/, endpoint);
  });
});
