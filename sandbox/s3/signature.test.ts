import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SignedRequest } from '../signature-v4.ts';
import { Keyring, type SandboxKeys } from '../aws/keyring.ts';
import { verifySignature } from './signature.ts';

// The worked examples of the Amazon S3 API reference, with the credentials published there.
const credentials = {
  accessKeyId: 'AKIAIOSFODNN7EXAMPLE',
  secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
};
const emptyHash = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';
const signedAtMs = Date.UTC(2013, 4, 24);
const minuteMs = 60_000;

function verify(request: SignedRequest, keys: SandboxKeys, region: string, nowMs: number) {
  return verifySignature(request, new Keyring('123456789012', keys), region, nowMs);
}

function signedRequest(
  target: string,
  signature: string,
  headers: Record<string, string>,
  method = 'GET',
): SignedRequest {
  const all: Record<string, string> = {
    host: 'examplebucket.s3.amazonaws.com',
    'x-amz-content-sha256': emptyHash,
    'x-amz-date': '20130524T000000Z',
    ...headers,
  };
  const signedNames = Object.keys(all).sort().join(';');
  const authorization = `AWS4-HMAC-SHA256 Credential=${credentials.accessKeyId}/20130524/us-east-1/s3/aws4_request,SignedHeaders=${signedNames},Signature=${signature}`;
  const [rawPath = '', rawQuery = ''] = target.split('?');
  return { method, rawPath, rawQuery, headers: { ...all, authorization } };
}

const getExample = signedRequest(
  '/test.txt',
  'f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41',
  { range: 'bytes=0-9' },
);
const examples: [string, SignedRequest][] = [
  ['GET with a range', getExample],
  [
    'PUT with a key to be encoded',
    signedRequest(
      '/test$file.text',
      '98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd',
      {
        date: 'Fri, 24 May 2013 00:00:00 GMT',
        'x-amz-storage-class': 'REDUCED_REDUNDANCY',
        'x-amz-content-sha256': '44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072',
      },
      'PUT',
    ),
  ],
  [
    'a query parameter without value',
    signedRequest('/?lifecycle', 'fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543', {}),
  ],
  [
    'query parameters in another order',
    signedRequest(
      '/?prefix=J&max-keys=2',
      '34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7',
      {},
    ),
  ],
];

for (const [name, request] of examples)
  test(`the published signature is accepted: ${name}`, () => {
    const verified = verify(request, credentials, 'us-east-1', signedAtMs);
    assert.equal(verified.scope, '20130524/us-east-1/s3/aws4_request');
  });

const presigned: SignedRequest = {
  method: 'GET',
  rawPath: '/test.txt',
  rawQuery: `X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404`,
  headers: { host: 'examplebucket.s3.amazonaws.com' },
};

test('the published presigned address is accepted until it expires', () => {
  const dayMs = 86_400_000;
  assert.equal(
    verify(presigned, credentials, 'us-east-1', signedAtMs + dayMs).payloadHash,
    'UNSIGNED-PAYLOAD',
  );
  assert.throws(() => verify(presigned, credentials, 'us-east-1', signedAtMs + dayMs + 1), {
    code: 'AccessDenied',
    message: 'Request has expired',
  });
  assert.throws(() => verify(presigned, credentials, 'us-east-1', signedAtMs - 16 * minuteMs), {
    code: 'AccessDenied',
  });
});

const refusals: [string, string, () => unknown][] = [
  [
    'SignatureDoesNotMatch',
    'another secret',
    () => verify(getExample, { ...credentials, secretAccessKey: 'wrong' }, 'us-east-1', signedAtMs),
  ],
  [
    'SignatureDoesNotMatch',
    'another path',
    () => verify({ ...getExample, rawPath: '/test.txT' }, credentials, 'us-east-1', signedAtMs),
  ],
  [
    'SignatureDoesNotMatch',
    'a presigned query with one more parameter',
    () =>
      verify(
        { ...presigned, rawQuery: `${presigned.rawQuery}&versionId=x` },
        credentials,
        'us-east-1',
        signedAtMs,
      ),
  ],
  [
    'InvalidAccessKeyId',
    'an unknown access key',
    () => verify(getExample, { ...credentials, accessKeyId: 'OTHER' }, 'us-east-1', signedAtMs),
  ],
  [
    'RequestTimeTooSkewed',
    'a clock more than 15 minutes off',
    () => verify(getExample, credentials, 'us-east-1', signedAtMs + 15 * minuteMs + 1),
  ],
  [
    'AccessDenied',
    'an x-amz header that was not signed',
    () =>
      verify(
        { ...getExample, headers: { ...getExample.headers, 'x-amz-meta-a': '1' } },
        credentials,
        'us-east-1',
        signedAtMs,
      ),
  ],
  [
    'AuthorizationHeaderMalformed',
    'another region',
    () => verify(getExample, credentials, 'eu-west-1', signedAtMs),
  ],
  [
    'InvalidToken',
    'temporary credentials without their token',
    () => verify(getExample, { ...credentials, sessionToken: 'token' }, 'us-east-1', signedAtMs),
  ],
  [
    'AccessDenied',
    'no signature at all',
    () =>
      verify(
        { ...getExample, headers: { host: 'examplebucket.s3.amazonaws.com' } },
        credentials,
        'us-east-1',
        signedAtMs,
      ),
  ],
];

for (const [code, reason, attempt] of refusals)
  test(`${reason} is refused with ${code}`, () => {
    assert.throws(attempt, { code });
  });
