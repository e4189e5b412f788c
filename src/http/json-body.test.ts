// Fields with names that JavaScript gives a meaning: they are refused or kept like any other, and change nothing.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openTestApi } from './testing/open-test-api.ts';

const JSON_TYPE = { 'content-type': 'application/json' };

const REACHING: readonly [field: string, name: string][] = [
  ['"__proto__":{"polluted":1}', '__proto__'],
  ['"__proto__":null', '__proto__'],
  ['"\\u005f_proto__":{"polluted":1}', '__proto__'],
  ['"constructor":{"prototype":{"polluted":1}}', 'constructor'],
];

test('a field that reaches for prototypes is refused by its name, like any unknown field', async (t) => {
  const api = await openTestApi(t);
  for (const [field, name] of REACHING) {
    const body = `{"bucket":"photos","key":"a",${field}}`;
    const answer = await api.call('POST', '/v1/replicate', { body, headers: JSON_TYPE });
    assert.equal(answer.status, 400, field);
    assert.equal(answer.json?.['code'], 'invalid_request', field);
    assert.equal(answer.json['detail'], `unknown field: ${name}`);
    assert.equal(Reflect.get({}, 'polluted'), undefined);
  }
  assert.equal((await api.queue.counts()).byStatus.queued, 0);
});

test('fields that are inherited instead of given do not make a request complete', async (t) => {
  const api = await openTestApi(t);
  const body = '{"__proto__":{"bucket":"photos","key":"a"}}';
  const answer = await api.call('POST', '/v1/replicate', { body, headers: JSON_TYPE });
  assert.equal(answer.status, 400);
  assert.equal((await api.queue.counts()).byStatus.queued, 0);
});

test('in a notification such a field is no reason to refuse the records beside it', async (t) => {
  const api = await openTestApi(t);
  for (const [field] of REACHING) {
    const s3 = `{"bucket":{"name":"photos",${field}},"object":{"key":"a",${field}}}`;
    const record = `{"eventSource":"aws:s3","eventName":"ObjectCreated:Put","eventVersion":"2.1",${field},"s3":${s3}}`;
    const body = `{"Records":[${record}],${field}}`;
    const answer = await api.call('POST', '/v1/events', { body, headers: JSON_TYPE });
    assert.equal(answer.status, 202, field);
    assert.equal(answer.json?.['accepted'], 1, field);
    assert.equal(Reflect.get({}, 'polluted'), undefined);
  }
});
