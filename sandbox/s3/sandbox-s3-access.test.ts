// Who may do what, over raw HTTP: signatures, body hashes, denials, and everything that is not offered.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { request as httpRequest } from 'node:http';
import { after, before, test } from 'node:test';
import { presign, type RawAnswer, type RawRequest, sendRaw, testCredentials } from './raw-request.ts';
import { type SandboxS3, startSandboxS3 } from './sandbox-s3.ts';

let s3: SandboxS3;

before(async () => {
  s3 = await startSandboxS3(testCredentials);
  s3.createBucket('guarded');
  s3.createBucket('paid', { requesterPays: true });
  await s3.putObject('guarded', 'k', 'secret');
  await s3.putObject('paid', 'k', 'costly');
});

after(async () => s3.close());

async function send(raw: Partial<RawRequest>): Promise<RawAnswer> {
  return sendRaw(s3.url, { method: 'GET', path: '/guarded/k', ...raw });
}

const { accessKeyId, secretAccessKey } = testCredentials;
const minuteMs = 60_000;
const refusals: [string, Partial<RawRequest>, number, string][] = [
  ['no signature', { anonymous: true }, 403, 'AccessDenied'],
  ['an unknown key', { credentials: { accessKeyId: 'AKOTHER', secretAccessKey } }, 403, 'InvalidAccessKeyId'],
  ['a wrong secret', { credentials: { accessKeyId, secretAccessKey: 'x' } }, 403, 'SignatureDoesNotMatch'],
  ['a clock far behind', { signedAtMs: Date.now() - 16 * minuteMs }, 403, 'RequestTimeTooSkewed'],
  ['a clock far ahead', { signedAtMs: Date.now() + 16 * minuteMs }, 403, 'RequestTimeTooSkewed'],
  ['a session token nobody gave', { headers: { 'x-amz-security-token': 't' } }, 400, 'InvalidToken'],
  [
    'another body than was signed',
    { method: 'PUT', body: 'x', payloadHash: 'e'.repeat(64) },
    400,
    'XAmzContentSHA256Mismatch',
  ],
  ['a body hash that is none', { method: 'PUT', body: 'x', payloadHash: 'nonsense' }, 400, 'InvalidArgument'],
  [
    'another owner than expected',
    { headers: { 'x-amz-expected-bucket-owner': '999999999999' } },
    403,
    'AccessDenied',
  ],
  ['a missing bucket', { path: '/nowhere/k' }, 404, 'NoSuchBucket'],
  ['a missing key', { path: '/guarded/nothing' }, 404, 'NoSuchKey'],
  ['a path with a broken escape', { path: '/guarded/%zz' }, 400, 'InvalidURI'],
  ['a path that is not UTF-8', { path: '/guarded/%ff' }, 400, 'InvalidURI'],
  ['a requester who does not pay', { path: '/paid/k' }, 403, 'AccessDenied'],
  ['an ACL', { query: ['acl='] }, 501, 'NotImplemented'],
  ['a parameter nobody knows', { query: ['new-feature=1'] }, 501, 'NotImplemented'],
  ['a bucket policy', { path: '/guarded', query: ['policy='] }, 501, 'NotImplemented'],
  ['a list of the first version', { path: '/guarded' }, 501, 'NotImplemented'],
  ['an append', { method: 'PUT', headers: { 'x-amz-write-offset-bytes': '0' } }, 501, 'NotImplemented'],
  ['another method', { method: 'PATCH' }, 501, 'NotImplemented'],
  [
    'encryption headers on a read',
    { headers: { 'x-amz-server-side-encryption': 'AES256' } },
    400,
    'InvalidArgument',
  ],
  [
    'two checksums',
    { method: 'PUT', body: 'x', headers: { 'x-amz-checksum-crc32': 'jNwa0w==', 'x-amz-checksum-sha1': 'x' } },
    400,
    'InvalidRequest',
  ],
  [
    'an announced checksum that is not there',
    { method: 'PUT', body: 'x', headers: { 'x-amz-sdk-checksum-algorithm': 'CRC32' } },
    400,
    'InvalidRequest',
  ],
  [
    'a batch delete without any checksum',
    {
      method: 'POST',
      path: '/guarded',
      query: ['delete='],
      body: '<Delete><Object><Key>k</Key></Object></Delete>',
    },
    400,
    'InvalidRequest',
  ],
];

for (const [what, raw, status, code] of refusals)
  test(`${what} is answered ${status} ${code}`, async () => {
    const answer = await send(raw);
    assert.deepEqual([answer.status, answer.code], [status, code]);
    assert.equal(answer.headers['content-type'], 'application/xml');
    const document = answer.body.toString();
    for (const element of ['Message', 'Resource', 'RequestId'])
      assert.match(document, new RegExp(`<${element}>[^<]+</${element}>`));
    assert.ok(document.includes(String(answer.headers['x-amz-request-id'])));
    assert.equal(s3.getObject('guarded', 'k')?.bytes.toString(), 'secret');
  });

test('HEAD errors carry no body', async () => {
  for (const path of ['/guarded/nothing', '/nowhere/k']) {
    const answer = await send({ method: 'HEAD', path });
    assert.deepEqual(
      [answer.status, answer.body.length, answer.headers['content-type']],
      [404, 0, undefined],
    );
  }
});

test('a matching owner and a paying requester may read', async () => {
  assert.equal(
    (await send({ headers: { 'x-amz-expected-bucket-owner': '123456789012' } })).body.toString(),
    'secret',
  );
  const paid = await send({ path: '/paid/k', headers: { 'x-amz-request-payer': 'requester' } });
  assert.deepEqual([paid.status, paid.headers['x-amz-request-charged']], [200, 'requester']);
});

test('denied reads answer 403 to GET and to a bodiless HEAD', async () => {
  s3.denyReads('guarded', true);
  const [get, head] = [await send({}), await send({ method: 'HEAD' })];
  s3.denyReads('guarded', false);
  assert.deepEqual([get.status, get.code, head.status, head.body.length], [403, 'AccessDenied', 403, 0]);
  assert.equal((await send({})).status, 200);
});

test('without leave to list, a missing key looks forbidden', async () => {
  s3.denyListing('guarded', true);
  const [missing, listed, present] = [
    await send({ path: '/guarded/nothing' }),
    await send({ path: '/guarded', query: ['list-type=2'] }),
    await send({}),
  ];
  s3.denyListing('guarded', false);
  assert.deepEqual([missing.status, listed.status, present.status], [403, 403, 200]);
});

test('a bucket of another region is a redirect that names it, and only its location is told', async () => {
  s3.createBucket('abroad', { region: 'eu-west-1' });
  const [get, head, location] = [
    await send({ path: '/abroad/k' }),
    await send({ method: 'HEAD', path: '/abroad' }),
    await send({ path: '/abroad', query: ['location='] }),
  ];
  assert.deepEqual(
    [get.status, get.code, get.headers['x-amz-bucket-region']],
    [301, 'PermanentRedirect', 'eu-west-1'],
  );
  assert.match(get.body.toString(), /<Endpoint>abroad\.s3\.eu-west-1\.amazonaws\.com<\/Endpoint>/);
  assert.deepEqual(
    [head.status, head.headers['x-amz-bucket-region'], head.body.length],
    [301, 'eu-west-1', 0],
  );
  assert.equal(location.status, 200);
  assert.match(location.body.toString(), />eu-west-1<\/LocationConstraint>/);
});

test('what a setup and a doctor ask of a bucket can be denied, one by one', async () => {
  for (const [permission, parameter] of [
    ['s3:GetBucketLocation', 'location'],
    ['s3:GetBucketVersioning', 'versioning'],
    ['s3:GetBucketNotification', 'notification'],
  ] as const) {
    const ask = { path: '/guarded', query: [`${parameter}=`] };
    s3.deny(permission);
    const denied = await send(ask);
    s3.allow(permission);
    assert.deepEqual([denied.status, denied.code, (await send(ask)).status], [403, 'AccessDenied', 200]);
    assert.match(denied.body.toString(), new RegExp(`not authorized to perform: ${permission} on resource`));
  }
});

test('temporary credentials work with their token only', async () => {
  const temporary = await startSandboxS3({ ...testCredentials, sessionToken: 'session' });
  temporary.createBucket('guarded');
  await temporary.putObject('guarded', 'k', 'x');
  const get = { method: 'GET', path: '/guarded/k' };
  assert.equal((await sendRaw(temporary.url, get)).code, 'InvalidToken');
  const answer = await sendRaw(temporary.url, { ...get, headers: { 'x-amz-security-token': 'session' } });
  assert.equal(answer.status, 200);
  await temporary.close();
});

test('a presigned address reads and writes, and one changed character spoils it', async () => {
  const get = presign(s3.url, 'GET', '/guarded/k', 60);
  const answer = await sendRaw(s3.url, { method: 'GET', path: get, anonymous: true });
  assert.equal(answer.body.toString(), 'secret');
  const spoiled = await sendRaw(s3.url, { method: 'GET', path: get.replace('/k?', '/K?'), anonymous: true });
  assert.equal(spoiled.code, 'SignatureDoesNotMatch');
  const put = presign(s3.url, 'PUT', '/guarded/presigned', 60);
  assert.equal(
    (await sendRaw(s3.url, { method: 'PUT', path: put, body: 'sent', anonymous: true })).status,
    200,
  );
  assert.equal(s3.getObject('guarded', 'presigned')?.bytes.toString(), 'sent');
});

test('an unsigned chunked body with a trailer is unwrapped, and a wrong trailer spoils it', async () => {
  const put = async (crc32: string): Promise<RawAnswer> =>
    send({
      method: 'PUT',
      path: '/guarded/chunked',
      payloadHash: 'STREAMING-UNSIGNED-PAYLOAD-TRAILER',
      headers: {
        'content-encoding': 'aws-chunked',
        'x-amz-decoded-content-length': '3',
        'x-amz-trailer': 'x-amz-checksum-crc32',
      },
      body: `3\r\nabc\r\n0\r\nx-amz-checksum-crc32:${crc32}\r\n\r\n`,
    });
  assert.equal((await put('AAAAAA==')).code, 'BadDigest');
  assert.equal(s3.getObject('guarded', 'chunked'), null);
  assert.equal((await put('NSRBwg==')).status, 200);
  const stored = s3.getObject('guarded', 'chunked');
  assert.deepEqual(
    [stored?.bytes.toString(), stored?.systemHeaders],
    ['abc', { 'content-type': 'binary/octet-stream' }],
  );
});

test('fewer bytes than announced in a chunked body are refused', async () => {
  const answer = await send({
    method: 'PUT',
    payloadHash: 'STREAMING-UNSIGNED-PAYLOAD-TRAILER',
    headers: { 'x-amz-decoded-content-length': '4' },
    body: '3\r\nabc\r\n0\r\n\r\n',
  });
  assert.equal(answer.code, 'IncompleteBody');
});

test('a customer key is needed to read what it encrypted, and no other will do', async () => {
  const key = (text: string): Record<string, string> => ({
    'x-amz-server-side-encryption-customer-algorithm': 'AES256',
    'x-amz-server-side-encryption-customer-key': Buffer.from(text).toString('base64'),
    'x-amz-server-side-encryption-customer-key-md5': createHash('md5').update(text).digest('base64'),
  });
  const path = '/guarded/customer';
  await send({ method: 'PUT', path, body: 'x', headers: key('one') });
  assert.equal((await send({ path })).code, 'InvalidRequest');
  assert.equal((await send({ path, headers: key('two') })).code, 'AccessDenied');
  assert.equal((await send({ path, headers: key('one') })).body.toString(), 'x');
});

test('a client that goes away in the middle of its upload leaves nothing', async () => {
  const { host, port } = new URL(s3.url);
  const presigned = presign(s3.url, 'PUT', '/guarded/partial', 60);
  await new Promise<void>((resolve) => {
    const sent = httpRequest({
      host: '127.0.0.1',
      port,
      method: 'PUT',
      path: presigned,
      headers: { host, 'content-length': 100 },
      agent: false,
    });
    sent.on('error', () => resolve());
    sent.write('only this', () => sent.destroy());
    sent.on('close', resolve);
  });
  assert.equal((await send({})).status, 200);
  assert.equal(s3.getObject('guarded', 'partial'), null);
});
