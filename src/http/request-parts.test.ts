import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FAULTS, type FaultCode } from '../core/faults.ts';
import { nestsDeeperThan } from './json-body.ts';
import { HTTP_STATUS_OF_FAULT } from './problem.ts';
import { RouteTable } from './route-table.ts';
import { preferredWaitSec } from './wait-for-end.ts';

test('nesting is counted outside of strings only', () => {
  const deeper = (json: string, limit: number) => nestsDeeperThan(Buffer.from(json), limit);
  assert.equal(deeper('[[[]]]', 3), false);
  assert.equal(deeper('[[[]]]', 2), true);
  assert.equal(deeper('[[],[],[]]', 2), false);
  assert.equal(deeper('{"a":{"b":[1]}}', 2), true);
  assert.equal(deeper('["[[[[", "{{{"]', 1), false);
  assert.equal(deeper('["\\"[[[["]', 1), false);
  assert.equal(deeper('["\\\\", [[]]]', 2), true);
  assert.equal(deeper('["é☃[["]', 1), false);
});

test('the seconds of Prefer: wait are read as RFC 7240 writes them', () => {
  const cases: readonly (readonly [header: string | undefined, seconds: number | null])[] = [
    [undefined, null],
    ['', null],
    ['wait=30', 30],
    ['WAIT = 5', 5],
    ['wait="7"', 7],
    ['respond-async, wait=10; foo=bar', 10],
    ['wait=1, wait=2', 1],
    ['wait=0', 0],
    ['wait=61', 60],
    ['wait=99999999999', null],
    ['wait=1.5', null],
    ['await=3', null],
  ];
  for (const [header, seconds] of cases) {
    assert.equal(preferredWaitSec(header), seconds, header ?? 'no header');
  }
  assert.equal(preferredWaitSec(['respond-async', 'wait=3']), 3);
});

test('the methods of a path are found through parameters and wildcards', () => {
  const table = new RouteTable();
  table.add('GET', '/v1/transfers');
  table.add(['GET', 'HEAD'], '/v1/transfers/:id');
  table.add('POST', '/v1/transfers/:id/retry');
  table.add('GET', '/docs/static/*');
  assert.deepEqual(table.methodsOf('/v1/transfers'), ['GET']);
  assert.deepEqual(table.methodsOf('/v1/transfers/x'), ['GET', 'HEAD']);
  assert.deepEqual(table.methodsOf('/v1/transfers/x/retry'), ['POST']);
  assert.deepEqual(table.methodsOf('/v1/transfers/'), []);
  assert.deepEqual(table.methodsOf('/docs/static/a/b'), ['GET']);
  assert.deepEqual(table.methodsOf('/docs'), []);
});

test('every fault has an HTTP status of an error', () => {
  for (const code of Object.keys(FAULTS) as FaultCode[]) {
    assert.ok(HTTP_STATUS_OF_FAULT[code] >= 400, code);
  }
});
