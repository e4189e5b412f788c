// Signing and checking calls, against a signature made by hand and against everything that must not pass.
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { test } from 'node:test';
import { readWebhookSecret } from '../core/webhook-secret.ts';
import { signWebhook, type SignatureHeaders, verifyWebhook } from './webhook-signature.ts';

const SECRET = Uint8Array.from({ length: 32 }, (_, index) => index);
const OTHER = new Uint8Array(32).fill(9);
const NOW_MS = 1_796_000_000_000;
const BODY = Buffer.from('{"bucket":"photos","key":"é"}');

function headersFor(
  secret: Uint8Array,
  timestampSec = NOW_MS / 1000,
  body: Uint8Array = BODY,
): SignatureHeaders {
  const headers = signWebhook({ id: 'msg_1', timestampSec, body }, secret);
  return {
    id: headers['webhook-id'],
    timestamp: headers['webhook-timestamp'],
    signature: headers['webhook-signature'],
  };
}

function check(
  headers: SignatureHeaders,
  secrets: readonly Uint8Array[] = [SECRET],
  body: Uint8Array = BODY,
) {
  return verifyWebhook({ headers, body, secrets, nowMs: NOW_MS });
}

test('a signature is the HMAC-SHA256 of id, time and body, in base64', () => {
  const text = `msg_1.${NOW_MS / 1000}.${BODY.toString('utf8')}`;
  const expected = createHmac('sha256', SECRET).update(text, 'utf8').digest('base64');
  assert.deepEqual(
    signWebhook({ id: 'msg_1', timestampSec: NOW_MS / 1000, body: BODY.toString('utf8') }, SECRET),
    {
      'webhook-id': 'msg_1',
      'webhook-timestamp': String(NOW_MS / 1000),
      'webhook-signature': `v1,${expected}`,
    },
  );
});

test('a call signed with any of the secrets is valid, whichever of its signatures it is', () => {
  assert.deepEqual(check(headersFor(SECRET)), { kind: 'valid', id: 'msg_1' });
  assert.equal(check(headersFor(OTHER), [SECRET, OTHER]).kind, 'valid');
  const rotating = `v1a,AAAA v1,short ${headersFor(OTHER).signature} ${headersFor(SECRET).signature}`;
  assert.equal(check({ ...headersFor(SECRET), signature: rotating }).kind, 'valid');
});

test('a signature of another body, id, time or secret is refused', () => {
  const signed = headersFor(SECRET);
  const wrong = /fits no configured secret/;
  for (const [headers, secrets, body] of [
    [signed, [SECRET], Buffer.from(`${BODY.toString()} `)],
    [{ ...signed, id: 'msg_2' }, [SECRET], BODY],
    [{ ...signed, timestamp: String(NOW_MS / 1000 - 1) }, [SECRET], BODY],
    [{ ...signed, timestamp: `0${NOW_MS / 1000}` }, [SECRET], BODY],
    [signed, [OTHER], BODY],
    [signed, [], BODY],
  ] as const) {
    const answer = check(headers, secrets, body);
    assert.match(answer.kind === 'invalid' ? answer.reason : '', wrong);
  }
});

test('a missing or malformed header is refused, and named', () => {
  const signed = headersFor(SECRET);
  for (const [headers, reason] of [
    [{ ...signed, id: undefined }, /webhook-id/],
    [{ ...signed, id: 'a.b' }, /webhook-id/],
    [{ ...signed, id: '' }, /webhook-id/],
    [{ ...signed, id: 'x'.repeat(129) }, /webhook-id/],
    [{ ...signed, timestamp: undefined }, /webhook-timestamp/],
    [{ ...signed, timestamp: '1e9' }, /webhook-timestamp/],
    [{ ...signed, timestamp: '-1' }, /webhook-timestamp/],
    [{ ...signed, signature: undefined }, /webhook-signature holds no/],
    [{ ...signed, signature: signed.signature?.slice(3) }, /webhook-signature holds no/],
    [{ ...signed, signature: signed.signature?.replace('v1,', 'v2,') }, /webhook-signature holds no/],
  ] as const) {
    const answer = check(headers);
    assert.match(answer.kind === 'invalid' ? answer.reason : '', reason);
  }
});

test('the signed time may be five minutes away, in both directions', () => {
  const nowSec = NOW_MS / 1000;
  for (const offsetSec of [-300, 300])
    assert.equal(check(headersFor(SECRET, nowSec + offsetSec)).kind, 'valid');
  for (const [offsetSec, reason] of [
    [-301, /301 s old/],
    [301, /301 s ahead/],
  ] as const) {
    const answer = check(headersFor(SECRET, nowSec + offsetSec));
    assert.match(answer.kind === 'invalid' ? answer.reason : '', reason);
  }
});

test('an id or a time that cannot be signed is a mistake of the caller', () => {
  for (const [id, timestampSec] of [
    ['a.b', 1],
    ['a b', 1],
    ['', 1],
    ['a', 1.5],
    ['a', -1],
  ] as const)
    assert.throws(() => signWebhook({ id, timestampSec, body: '' }, SECRET), RangeError);
});

test('a secret is read as it is written, and what is wrong is told without it', () => {
  const text = `whsec_${Buffer.from(SECRET).toString('base64')}`;
  assert.deepEqual(readWebhookSecret(text), { secret: SECRET });
  for (const wrong of [
    text.slice(6),
    'whsec_',
    'whsec_hunter2!',
    `whsec_${Buffer.from('hunter2').toString('base64')}`,
  ]) {
    const answer = readWebhookSecret(wrong);
    assert.ok('problem' in answer && !answer.problem.includes('hunter2'));
  }
});
