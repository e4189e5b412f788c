// Amazon's published examples of "Signature Calculations for the Authorization Header: Transferring Payload in a
// Single Chunk".
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { canonicalQuery } from './addressing.ts';
import { createSigner, EMPTY_PAYLOAD_SHA256 } from './signature.ts';

const credentials = {
  accessKeyId: 'AKIAIOSFODNN7EXAMPLE',
  secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
};
const atMs = Date.UTC(2013, 4, 24);
const host = 'examplebucket.s3.amazonaws.com';

function signatureOf(headers: Record<string, string>): string {
  return headers['authorization']?.split('Signature=')[1] ?? '';
}

const examples = [
  {
    name: 'GET Object',
    request: { method: 'GET', path: '/test.txt', query: '', headers: { host, range: 'bytes=0-9' } },
    payloadSha256: EMPTY_PAYLOAD_SHA256,
    signedHeaders: 'host;range;x-amz-content-sha256;x-amz-date',
    signature: 'f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41',
  },
  {
    name: 'PUT Object',
    request: {
      method: 'PUT',
      path: '/test%24file.text',
      query: '',
      headers: {
        date: 'Fri, 24 May 2013 00:00:00 GMT',
        host,
        'x-amz-storage-class': 'REDUCED_REDUNDANCY',
      },
    },
    payloadSha256: '44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072',
    signedHeaders: 'date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class',
    signature: '98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd',
  },
  {
    name: 'GET Bucket Lifecycle',
    request: { method: 'GET', path: '/', query: canonicalQuery({ lifecycle: '' }), headers: { host } },
    payloadSha256: EMPTY_PAYLOAD_SHA256,
    signedHeaders: 'host;x-amz-content-sha256;x-amz-date',
    signature: 'fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543',
  },
  {
    name: 'GET Bucket (List Objects)',
    request: {
      method: 'GET',
      path: '/',
      query: canonicalQuery({ prefix: 'J', 'max-keys': '2' }),
      headers: { host },
    },
    payloadSha256: EMPTY_PAYLOAD_SHA256,
    signedHeaders: 'host;x-amz-content-sha256;x-amz-date',
    signature: '34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7',
  },
];

for (const example of examples) {
  test(`the signature is the published one: ${example.name}`, () => {
    const sign = createSigner('us-east-1');
    const request = { ...example.request, payloadSha256: example.payloadSha256 };
    const headers = sign(request, credentials, atMs);
    assert.equal(signatureOf(headers), example.signature);
    assert.equal(
      headers['authorization'],
      'AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,' +
        `SignedHeaders=${example.signedHeaders},Signature=${example.signature}`,
    );
    assert.equal(headers['x-amz-date'], '20130524T000000Z');
  });
}

const plainRequest = {
  method: 'GET',
  path: '/k',
  query: '',
  headers: { host },
  payloadSha256: EMPTY_PAYLOAD_SHA256,
};

test('a signer that was used for another day and another secret signs as a new one does', () => {
  const sign = createSigner('us-east-1');
  const nextDayMs = atMs + 86_400_000;
  const otherSecret = { ...credentials, secretAccessKey: 'another' };
  for (const [keys, time] of [
    [credentials, atMs],
    [otherSecret, atMs],
    [credentials, nextDayMs],
    [credentials, atMs],
  ] as const) {
    const fresh = createSigner('us-east-1')(plainRequest, keys, time);
    assert.equal(signatureOf(sign(plainRequest, keys, time)), signatureOf(fresh));
  }
});

test('the session token is sent and signed', () => {
  const headers = createSigner('us-east-1')(plainRequest, { ...credentials, sessionToken: 'tok/en==' }, atMs);
  assert.equal(headers['x-amz-security-token'], 'tok/en==');
  assert.match(headers['authorization'] ?? '', /SignedHeaders=[^,]*;x-amz-security-token,/);
});

test('white space inside a header value is signed as one space', () => {
  const sign = createSigner('us-east-1');
  const wide = { ...plainRequest, headers: { host, 'x-amz-meta-a': '  a   b ' } };
  const narrow = { ...plainRequest, headers: { host, 'x-amz-meta-a': 'a b' } };
  assert.equal(signatureOf(sign(wide, credentials, atMs)), signatureOf(sign(narrow, credentials, atMs)));
});
