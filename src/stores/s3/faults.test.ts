// A table of answers as S3 and its relatives write them, and of connection errors as Node and undici throw them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Fault, type FaultCode } from '../../core/faults.ts';
import { readErrorAnswer } from './error-answer.ts';
import { answerFault, networkFault, type RequestContext } from './faults.ts';
import { errorDocument } from './testing/answering-server.ts';

const context: RequestContext = {
  permission: 's3:GetObject',
  bucket: 'photos',
  key: 'a/b.jpg',
  region: 'eu-west-1',
  expectedOwner: null,
};
const NOW_MS = Date.UTC(2026, 10, 2, 10);

interface Recorded {
  readonly status: number;
  readonly code?: string;
  readonly message?: string;
  readonly rest?: string;
  readonly headers?: Record<string, string>;
  readonly body?: string;
  readonly fault: FaultCode;
  readonly says?: RegExp;
}

function faultOf(recorded: Recorded, asked: RequestContext = context): Fault {
  const { status, code, message, rest, headers, body } = recorded;
  const text = body ?? (code === undefined ? '' : errorDocument(code, message, rest));
  return answerFault(readErrorAnswer(status, headers ?? {}, text), asked, NOW_MS);
}

const SSE_C =
  'The object was stored using a form of Server Side Encryption. The correct parameters must be provided to retrieve the object.';
const KMS =
  'User: arn:aws:sts::111122223333:assumed-role/r/s is not authorized to perform: kms:Decrypt on the resource associated with this ciphertext because no identity-based policy allows the kms:Decrypt action';

const recorded: readonly Recorded[] = [
  { status: 503, code: 'SlowDown', message: 'Please reduce your request rate.', fault: 'source_throttled' },
  { status: 503, code: 'ServiceUnavailable', fault: 'source_throttled' },
  { status: 503, body: 'no healthy upstream', fault: 'source_throttled' },
  { status: 429, body: '', fault: 'source_throttled' },
  { status: 400, code: 'ThrottlingException', fault: 'source_throttled' },
  { status: 400, code: 'RequestLimitExceeded', fault: 'source_throttled' },
  { status: 509, code: 'BandwidthLimitExceeded', fault: 'source_throttled' },
  { status: 400, code: 'KMS.ThrottlingException', fault: 'source_throttled' },
  { status: 500, code: 'InternalError', fault: 'source_error' },
  { status: 502, body: '<html><h1>502 Bad Gateway</h1></html>', fault: 'source_unavailable' },
  { status: 504, body: '', fault: 'source_unavailable' },
  { status: 503, code: 'InternalError', fault: 'source_error' },
  {
    status: 400,
    code: 'RequestTimeout',
    message:
      'Your socket connection to the server was not read from or written to within the timeout period.',
    fault: 'source_error',
  },
  { status: 400, code: 'IncompleteBody', fault: 'source_error' },
  { status: 409, code: 'OperationAborted', fault: 'source_error' },
  { status: 408, body: '', fault: 'source_error' },
  {
    status: 400,
    code: 'ExpiredToken',
    message: 'The provided token has expired.',
    rest: '<Token-0>FwoGZXIvYXdzEsecret</Token-0>',
    fault: 'credentials_expired',
  },
  { status: 400, code: 'TokenRefreshRequired', fault: 'credentials_expired' },
  { status: 403, code: 'InvalidAccessKeyId', fault: 'credentials_invalid' },
  {
    status: 403,
    code: 'SignatureDoesNotMatch',
    rest: '<StringToSign>AWS4-HMAC-SHA256 secret</StringToSign>',
    fault: 'credentials_invalid',
  },
  { status: 400, code: 'InvalidToken', rest: '<Token-0>FwoGsecret</Token-0>', fault: 'credentials_invalid' },
  { status: 401, body: 'Unauthorized', fault: 'credentials_invalid' },
  { status: 403, code: 'RequestTimeTooSkewed', fault: 'clock_skewed' },
  {
    status: 403,
    code: 'InvalidObjectState',
    message: "The operation is not valid for the object's storage class",
    rest: '<StorageClass>GLACIER</StorageClass>',
    fault: 'object_archived',
    says: /archive/,
  },
  {
    status: 403,
    code: 'AccessDenied',
    message: 'Access Denied',
    fault: 'access_denied',
    says: /^s3:GetObject on arn:aws:s3:::photos\/\* is denied for s3:\/\/photos\/a\/b\.jpg.*s3:ListBucket on arn:aws:s3:::photos /,
  },
  {
    status: 403,
    code: 'AccessDenied',
    message:
      'User: arn:aws:iam::111122223333:user/u is not authorized to perform: s3:ListBucket on resource: "arn:aws:s3:::photos" because no identity-based policy allows the s3:ListBucket action',
    fault: 'access_denied',
    says: /^s3:ListBucket on arn:aws:s3:::photos is denied/,
  },
  { status: 403, body: '', fault: 'access_denied' },
  { status: 403, code: 'AllAccessDisabled', fault: 'access_denied' },
  { status: 403, code: 'AccessDenied', message: KMS, fault: 'key_access_denied', says: /kms:Decrypt/ },
  {
    status: 403,
    code: 'AccessDenied',
    message: 'The ciphertext refers to a customer master key that does not exist',
    fault: 'key_access_denied',
  },
  { status: 400, code: 'KMS.DisabledException', fault: 'key_access_denied' },
  { status: 400, code: 'KMS.KMSInvalidStateException', fault: 'key_access_denied' },
  {
    status: 403,
    code: 'AccessDenied',
    message: 'Bucket is Requester Pays bucket but the requester did not agree to pay',
    fault: 'requester_pays',
  },
  { status: 400, code: 'InvalidRequest', message: SSE_C, fault: 'customer_key_needed' },
  { status: 404, code: 'NoSuchBucket', fault: 'source_bucket_missing', says: /photos does not exist/ },
  {
    status: 301,
    code: 'PermanentRedirect',
    rest: '<Endpoint>photos.s3-us-west-2.amazonaws.com</Endpoint>',
    headers: { 'x-amz-bucket-region': 'us-west-2' },
    fault: 'wrong_region',
    says: /is in us-west-2, not in eu-west-1/,
  },
  { status: 301, headers: { 'x-amz-bucket-region': 'us-west-2' }, fault: 'wrong_region', says: /us-west-2/ },
  {
    status: 400,
    code: 'AuthorizationHeaderMalformed',
    message: "The authorization header is malformed; the region 'eu-west-1' is wrong; expecting 'us-west-2'",
    rest: '<Region>us-west-2</Region>',
    fault: 'wrong_region',
    says: /us-west-2/,
  },
  { status: 400, code: 'AuthorizationHeaderMalformed', fault: 'credentials_invalid' },
  { status: 307, code: 'TemporaryRedirect', fault: 'source_error' },
  {
    status: 307,
    code: 'TemporaryRedirect',
    headers: { 'x-amz-bucket-region': 'us-west-2' },
    fault: 'wrong_region',
  },
  { status: 400, code: 'KeyTooLongError', fault: 'source_refused', says: /KeyTooLongError/ },
  { status: 400, code: 'InvalidURI', fault: 'source_refused' },
  { status: 400, code: 'InvalidArgument', fault: 'source_refused' },
  { status: 501, code: 'NotImplemented', fault: 'source_refused' },
  { status: 404, code: 'XAdminUserNotFound', fault: 'source_refused' },
  { status: 404, body: '<html>not here</html>', fault: 'source_refused' },
  { status: 302, headers: { location: 'http://169.254.169.254/' }, fault: 'source_refused' },
];

for (const row of recorded) {
  const name = `${row.status} ${row.code ?? 'without a code'}`;
  test(`${name}${row.message === undefined ? '' : ` (${row.message.slice(0, 40)})`} is ${row.fault}`, () => {
    const fault = faultOf(row);
    assert.equal(fault.code, row.fault, fault.message);
    assert.match(fault.message, row.says ?? /photos/);
    assert.match(fault.message, new RegExp(`\\b${row.status}\\b`), 'the message says what was answered');
    assert.equal(fault.details['store'], 'source');
    assert.doesNotMatch(JSON.stringify([fault.message, fault.details]), /secret/);
  });
}

test('a denied list names s3:ListBucket and the bucket, a denied version s3:GetObjectVersion', () => {
  const row: Recorded = { status: 403, code: 'AccessDenied', fault: 'access_denied' };
  const list = faultOf(row, { ...context, permission: 's3:ListBucket', key: null, region: 'us-gov-west-1' });
  assert.match(list.message, /^s3:ListBucket on arn:aws-us-gov:s3:::photos is denied for the bucket photos/);
  assert.deepEqual(list.details, {
    store: 'source',
    status: 403,
    storeCode: 'AccessDenied',
    requestId: null,
    permission: 's3:ListBucket',
  });
  const version = faultOf(row, { ...context, permission: 's3:GetObjectVersion' });
  assert.equal(version.details['permission'], 's3:GetObjectVersion');
  assert.match(version.message, /^s3:GetObjectVersion on arn:aws:s3:::photos\/\*/);
});

test('where an owner is expected, a refusal says that another owner is a possible reason', () => {
  const row: Recorded = { status: 403, code: 'AccessDenied', fault: 'access_denied' };
  assert.match(faultOf(row, { ...context, expectedOwner: '111122223333' }).message, /111122223333/);
});

test('Retry-After is read as seconds and as a date', () => {
  const waitMs = (value: string) =>
    faultOf({ status: 503, code: 'SlowDown', headers: { 'retry-after': value }, fault: 'source_throttled' })
      .retryAfterMs;
  assert.equal(waitMs('7'), 7000);
  assert.equal(waitMs('Mon, 02 Nov 2026 10:00:30 GMT'), 30_000);
  assert.equal(waitMs('Mon, 02 Nov 2026 09:00:00 GMT'), 0);
  assert.equal(waitMs('soon'), null);
  assert.equal(faultOf({ status: 503, code: 'SlowDown', fault: 'source_throttled' }).retryAfterMs, null);
});

test('a key and a message of the store cannot forge a line of the log', () => {
  const fault = faultOf(
    { status: 500, code: 'InternalError', message: `one\ntwo ${'x'.repeat(2000)}`, fault: 'source_error' },
    { ...context, key: 'a\nERROR forged' },
  );
  assert.doesNotMatch(fault.message, /\n/);
  assert.ok(fault.message.length < 500);
});

const errorWith = (code: string): Error => Object.assign(new Error('failed'), { code });

for (const code of [
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'HTTP_CONNECT_TIMEOUT',
]) {
  test(`${code} is source_unreachable and names where`, () => {
    const cause = errorWith(code);
    const fault = networkFault(cause, 'https://photos.s3.eu-west-1.amazonaws.com');
    assert.equal(fault.code, 'source_unreachable');
    assert.match(fault.message, new RegExp(`photos\\.s3.*${code}`));
    assert.equal(fault.cause, cause);
  });
}

for (const code of [
  'ECONNRESET',
  'EPIPE',
  'HTTP_HEADERS_TIMEOUT',
  'HTTP_BODY_TIMEOUT',
  'HTTP_CONNECTION_ENDED',
]) {
  test(`${code} breaks one request, which counts as an attempt: it may be this object that breaks it`, () => {
    const fault = networkFault(errorWith(code), 'https://photos.s3.eu-west-1.amazonaws.com');
    assert.equal(fault.code, 'source_error');
    assert.match(fault.message, new RegExp(`photos\\.s3.*${code}`));
  });
}

for (const code of [
  'CERT_HAS_EXPIRED',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'ERR_TLS_CERT_ALTNAME_INVALID',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'ERR_SSL_WRONG_VERSION_NUMBER',
  'EPROTO',
]) {
  test(`${code} is source_unreachable and says that TLS is the reason`, () => {
    const fault = networkFault(errorWith(code), 'https://h');
    assert.equal(fault.code, 'source_unreachable');
    assert.match(fault.message, /TLS/);
  });
}

test('the code is found in the errors of several addresses and in a cause', () => {
  const several = new AggregateError([errorWith('ECONNREFUSED'), errorWith('ENETUNREACH')]);
  assert.equal(networkFault(several, 'http://h').code, 'source_unreachable');
  const wrapped = new Error('outer', { cause: errorWith('ENOTFOUND') });
  assert.equal(networkFault(wrapped, 'http://h').code, 'source_unreachable');
});

test('an unknown error is unexpected with its cause, and a fault stays what it is', () => {
  const bug = new TypeError('x is not a function');
  const fault = networkFault(bug, 'http://h');
  assert.equal(fault.code, 'unexpected');
  assert.equal(fault.cause, bug);
  const known = new Fault('source_error', 'known');
  assert.equal(networkFault(known, 'http://h'), known);
  const noHttp = networkFault(errorWith('HTTP_MALFORMED_ANSWER'), 'http://h');
  assert.equal(noHttp.code, 'source_error');
  assert.match(noHttp.message, /not HTTP as S3 speaks it: failed/);
});
