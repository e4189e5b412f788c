import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { FaultCode } from '../../core/faults.ts';
import {
  brokenFault,
  faultOfAnswer,
  type GcsAnswer,
  isBucketMissing,
  isConditionFalse,
  subjectOf,
  unreachableFault,
} from './faults.ts';

const LOCATION = { bucket: 'photos', key: 'a/b.jpg' };
const SUBJECT = subjectOf('write', LOCATION);
const NOW_MS = Date.UTC(2026, 0, 1);

function answer(
  status: number,
  reason: string,
  message: string,
  headers: GcsAnswer['headers'] = {},
): GcsAnswer {
  const error = { code: status, message, errors: [{ message, domain: 'global', reason }] };
  return { status, headers, text: JSON.stringify({ error }, null, 1) };
}

function text(status: number, body: string): GcsAnswer {
  return { status, headers: {}, text: body };
}

const DENIED =
  'copier@project.iam.gserviceaccount.com does not have storage.objects.delete access to the Google Cloud Storage ' +
  "object. Permission 'storage.objects.delete' denied on resource (or it may not exist).";

const RECORDED: readonly (readonly [string, GcsAnswer, FaultCode])[] = [
  ['401', answer(401, 'authError', 'Invalid Credentials'), 'credentials_invalid'],
  ['a missing permission', answer(403, 'forbidden', DENIED), 'access_denied'],
  ['a bare 403', text(403, ''), 'access_denied'],
  [
    'the API not enabled',
    answer(403, 'accessNotConfigured', 'Cloud Storage JSON API has not been used'),
    'access_denied',
  ],
  [
    'an organisation policy',
    answer(412, 'orgPolicyConstraintFailed', "'constraints/storage.x' violated"),
    'access_denied',
  ],
  ['rate limit of the project', answer(403, 'rateLimitExceeded', 'Rate Limit Exceeded'), 'target_throttled'],
  [
    'rate limit of the user',
    answer(403, 'userRateLimitExceeded', 'User Rate Limit Exceeded'),
    'target_throttled',
  ],
  [
    'too many writes of one name',
    answer(
      429,
      'rateLimitExceeded',
      'The object photos/a/b.jpg exceeded the rate limit for object mutation operations',
    ),
    'target_throttled',
  ],
  ['a 429 without a body', text(429, ''), 'target_throttled'],
  ['quota', answer(403, 'quotaExceeded', 'The project exceeded its quota'), 'quota_exhausted'],
  ['daily limit', answer(403, 'dailyLimitExceeded', 'Daily Limit Exceeded'), 'quota_exhausted'],
  [
    'billing',
    answer(403, 'accountDisabled', 'The billing account for the owning project is disabled in state absent'),
    'quota_exhausted',
  ],
  [
    'a retention policy',
    answer(
      403,
      'retentionPolicyNotMet',
      "Object 'photos/a/b.jpg' is subject to bucket's retention policy or object retention and cannot be deleted",
    ),
    'retention_blocked',
  ],
  [
    'a retention policy with the reason forbidden',
    answer(403, 'forbidden', "Object 'photos/a/b.jpg' is subject to bucket's retention policy until 2027"),
    'retention_blocked',
  ],
  [
    'a hold',
    answer(403, 'objectUnderActiveHold', "Object 'photos/a/b.jpg' is under active Temporary hold"),
    'retention_blocked',
  ],
  [
    'an event-based hold with the reason forbidden',
    answer(
      403,
      'forbidden',
      "Object 'photos/a/b.jpg' is under active Event-Based hold and cannot be deleted",
    ),
    'retention_blocked',
  ],
  [
    '412 of a retention policy',
    answer(412, 'retentionPolicyNotMet', 'Retention is not met'),
    'retention_blocked',
  ],
  [
    'a key that may not be used',
    answer(
      403,
      'forbidden',
      'Permission denied on Cloud KMS key. Please ensure that your service account is authorized',
    ),
    'key_access_denied',
  ],
  ['a disabled key', answer(400, 'cloudKmsDisabledKey', 'The key is disabled'), 'key_access_denied'],
  [
    'a key elsewhere',
    answer(400, 'invalid', 'The KMS key location does not match the bucket'),
    'key_access_denied',
  ],
  [
    'a missing bucket',
    answer(404, 'notFound', 'The specified bucket does not exist.'),
    'target_bucket_missing',
  ],
  [
    'a CRC32C that does not match',
    answer(400, 'invalid', 'Provided CRC32C "AAAAAA==" doesn\'t match calculated CRC32C "iA8zTw==".'),
    'target_checksum_mismatch',
  ],
  [
    'an MD5 that does not match',
    answer(400, 'invalid', 'Provided MD5 hash "x" doesn\'t match calculated MD5 hash "y".'),
    'target_checksum_mismatch',
  ],
  [
    'a checksum refused in plain text',
    text(400, 'Provided CRC32C "AAAAAA==" doesn\'t match calculated CRC32C "iA8zTw==".'),
    'target_checksum_mismatch',
  ],
  [
    'a name that is too long',
    answer(
      400,
      'invalid',
      "The maximum object length is 1024 characters, but got a name with 1025 characters: 'xxx'",
    ),
    'name_not_storable',
  ],
  [
    'a name with forbidden characters',
    answer(400, 'invalid', "Disallowed unicode characters present in object name 'a\\nb'"),
    'name_not_storable',
  ],
  ['too much metadata', answer(400, 'metadataTooLarge', 'Too large'), 'metadata_too_large'],
  [
    'too much metadata, in words',
    answer(400, 'invalid', 'The metadata for this object is too large'),
    'metadata_too_large',
  ],
  ['an object that is too large', answer(413, 'uploadTooLarge', 'Upload too large'), 'too_large'],
  ['408', text(408, ''), 'target_error'],
  ['500', answer(500, 'backendError', 'Backend Error'), 'target_error'],
  [
    '503 that mentions a quota',
    answer(503, 'backendError', 'quota server unavailable'),
    'target_unavailable',
  ],
  ['a page of a gateway', text(502, '<html><title>502 Bad Gateway</title></html>'), 'target_unavailable'],
  ['409', answer(409, 'conflict', 'The operation met another one'), 'target_error'],
  ['any other 400', answer(400, 'invalidParameter', 'Invalid value for storage class'), 'target_refused'],
  ['405', text(405, ''), 'target_refused'],
  ['a redirect', text(302, ''), 'target_refused'],
];

describe('answers of Google Cloud Storage as faults', () => {
  for (const [name, recorded, code] of RECORDED)
    it(`${name} is ${code}`, () => {
      const fault = faultOfAnswer(recorded, SUBJECT, NOW_MS);
      assert.equal(fault.code, code, fault.message);
      assert.match(fault.message, /write gs:\/\/photos\/a\/b\.jpg/);
      assert.equal(fault.details['status'], recorded.status);
      assert.equal(fault.details['store'], 'target');
    });

  it('a 403 names the permission where Google did', () => {
    const fault = faultOfAnswer(answer(403, 'forbidden', DENIED), SUBJECT, NOW_MS);
    assert.match(fault.message, /storage\.objects\.delete/);
    assert.equal(fault.details['permission'], 'storage.objects.delete');
  });

  it('the name of an object never chooses the fault', () => {
    for (const key of [
      'cloudkms.x',
      'retention policy',
      'billing account quota',
      `under active hold${'x'.repeat(900)}`,
    ]) {
      const subject = subjectOf('write', { bucket: 'photos', key });
      const denied = answer(403, 'forbidden', `Access to 'photos/${key}' is denied. Names: '${key}'`);
      assert.equal(faultOfAnswer(denied, subject, NOW_MS).code, 'access_denied');
    }
  });

  it('a long name does not hide the words behind it', () => {
    const key = 'k'.repeat(1000);
    const subject = subjectOf('delete', { bucket: 'photos', key });
    const held = answer(403, 'forbidden', `Object 'photos/${key}' is under active Temporary hold`);
    const fault = faultOfAnswer(held, subject, NOW_MS);
    assert.equal(fault.code, 'retention_blocked');
    assert.match(fault.message, /under active Temporary hold/);
  });

  it('a refusal for one name written too often says so, whatever the name', () => {
    const words = (name: string): string =>
      `The object ${name} exceeded the rate limit for object mutation operations`;
    const ofName = faultOfAnswer(answer(429, 'rateLimitExceeded', words('photos/a/b.jpg')), SUBJECT, NOW_MS);
    assert.equal(ofName.details['scope'], 'object');
    const ofBucket = faultOfAnswer(answer(429, 'rateLimitExceeded', 'Rate Limit Exceeded'), SUBJECT, NOW_MS);
    assert.equal(ofBucket.details['scope'], undefined);
  });

  it('Retry-After is read in seconds and as a date', () => {
    const seconds = answer(429, 'rateLimitExceeded', '', { 'retry-after': '12' });
    assert.equal(faultOfAnswer(seconds, SUBJECT, NOW_MS).retryAfterMs, 12_000);
    const date = answer(503, 'backendError', '', { 'retry-after': new Date(NOW_MS + 5_000).toUTCString() });
    assert.equal(faultOfAnswer(date, SUBJECT, NOW_MS).retryAfterMs, 5_000);
    const past = answer(503, 'backendError', '', { 'retry-after': new Date(NOW_MS - 5_000).toUTCString() });
    assert.equal(faultOfAnswer(past, SUBJECT, NOW_MS).retryAfterMs, 0);
    const odd = answer(503, 'backendError', '', { 'retry-after': 'soon' });
    assert.equal(faultOfAnswer(odd, SUBJECT, NOW_MS).retryAfterMs, null);
  });

  it('the secret of an upload session is taken out of messages', () => {
    const fault = faultOfAnswer(text(400, 'Bad request: /upload?upload_id=AB-cd_12&x=1'), SUBJECT, NOW_MS);
    assert.ok(!fault.message.includes('AB-cd_12'), fault.message);
  });

  it('control characters of an answer do not reach the message', () => {
    const fault = faultOfAnswer(text(400, 'one\r\ntwo\u001b[31m'), SUBJECT, NOW_MS);
    assert.doesNotMatch(fault.message, /\p{Cc}/u);
  });
});

describe('404 and 412', () => {
  it('tell a missing bucket from a missing object, whatever the object is called', () => {
    const object = answer(404, 'notFound', 'No such object: photos/a/b.jpg');
    assert.equal(isBucketMissing(object, SUBJECT), false);
    assert.equal(
      isBucketMissing(answer(404, 'notFound', 'The specified bucket does not exist.'), SUBJECT),
      true,
    );
    const key = 'The specified bucket does not exist.';
    const tricky = answer(404, 'notFound', `No such object: photos/${key}`);
    assert.equal(isBucketMissing(tricky, subjectOf('look at', { bucket: 'photos', key })), false);
    assert.equal(isBucketMissing(text(404, 'Not Found'), SUBJECT), false);
    assert.equal(isBucketMissing(text(403, 'bucket'), SUBJECT), false);
  });

  it('tell a false condition from a policy', () => {
    const message = 'At least one of the pre-conditions you specified did not hold.';
    assert.equal(isConditionFalse(answer(412, 'conditionNotMet', message), SUBJECT), true);
    assert.equal(isConditionFalse(text(412, ''), SUBJECT), true);
    assert.equal(isConditionFalse(answer(412, 'orgPolicyConstraintFailed', 'x'), SUBJECT), false);
    assert.equal(isConditionFalse(answer(412, 'retentionPolicyNotMet', 'x'), SUBJECT), false);
    assert.equal(isConditionFalse(answer(400, 'conditionNotMet', message), SUBJECT), false);
  });
});

describe('the network as faults', () => {
  it('a connection that was not made is target_unreachable, a broken one target_error', () => {
    const error = Object.assign(new Error('connect ECONNREFUSED 127.0.0.1:9'), { code: 'ECONNREFUSED' });
    const unreachable = unreachableFault(error, '127.0.0.1:9');
    assert.equal(unreachable.code, 'target_unreachable');
    assert.match(unreachable.message, /127\.0\.0\.1:9.*ECONNREFUSED/);
    assert.equal(unreachable.cause, error);
    assert.equal(brokenFault(new Error('other side closed'), SUBJECT).code, 'target_error');
    assert.equal(brokenFault('not even an error', SUBJECT).code, 'target_error');
  });
});
