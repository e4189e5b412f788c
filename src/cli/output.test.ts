import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FAULTS, isFaultCode } from '../core/faults.ts';
import { EXIT, EXIT_CODE_OF_FAULT, exitCodeOfFault, exitCodeOfStatus } from './exit-codes.ts';
import { printJson, printTable, safeText, showBytes } from './output.ts';
import { parseS3Url } from './s3-url.ts';
import { exitCodeOfTransfers, type TransferView } from './transfer-view.ts';

function sink() {
  const written: string[] = [];
  return { written, write: (text: string) => written.push(text) };
}

test('an object is named literally: nothing in the key is decoded or cut', () => {
  for (const key of [
    'a b+c%20d.txt',
    'x?y=1#z',
    'a//b/../c',
    '/leading',
    'trailing/',
    'line\nbreak',
    's3://x/y',
  ])
    assert.deepEqual(parseS3Url(`s3://my-bucket/${key}`), { bucket: 'my-bucket', key });
  for (const text of [
    'my-bucket/key',
    's3://my-bucket',
    's3://my-bucket/',
    's3:///key',
    'S3://b/k',
    'gs://b/k',
  ])
    assert.throws(() => parseS3Url(text), { exitCode: EXIT.usage });
});

test('names from elsewhere cannot steer the terminal and stay readable', () => {
  assert.equal(safeText('a\u001b[2Jb\nc\u009bd\u202ee'), String.raw`a\u001b[2Jb\nc\u009bd\u202ee`);
  assert.equal(safeText('plain "ä" \\ 日本'), 'plain "ä" \\ 日本');
});

test('a table aligns its columns and escapes its cells', () => {
  const out = sink();
  printTable(
    out,
    ['A', 'LONG'],
    [
      ['first', 'x\ny'],
      ['b', ''],
    ],
  );
  assert.equal(out.written.join(''), 'A      LONG\nfirst  x\\ny\nb\n');
});

test('printed JSON has no raw control character and the same value', () => {
  const out = sink();
  printJson(out, { key: 'a\u009bb\u202e\n' });
  const text = out.written.join('');
  assert.ok(!text.includes('\u009b') && !text.includes('\u202e'));
  assert.deepEqual(JSON.parse(text), { key: 'a\u009bb\u202e\n' });
});

test('bytes are shown in the unit that fits', () => {
  assert.deepEqual([0, 1, 1023, 1024, 8_388_608, 5 * 1024 ** 4].map(showBytes), [
    '0 B',
    '1 B',
    '1023 B',
    '1.0 KiB',
    '8.0 MiB',
    '5.0 TiB',
  ]);
});

test('a fault where waiting alone may help is temporary, what a person must repair is not', () => {
  assert.equal(exitCodeOfFault('source_throttled'), EXIT.temporary);
  assert.equal(exitCodeOfFault('a_code_of_the_future'), EXIT.failure);
  for (const [code, exitCode] of Object.entries(EXIT_CODE_OF_FAULT)) {
    assert.ok(isFaultCode(code));
    if (FAULTS[code].disposition === 'park') assert.equal(exitCode, EXIT.failure, code);
    if (FAULTS[code].disposition === 'wait_for_store') assert.equal(exitCode, EXIT.temporary, code);
  }
});

test('statuses of overload and outage are temporary', () => {
  assert.deepEqual(
    [400, 401, 403, 404, 422, 429, 500, 502, 503, 504].map(exitCodeOfStatus),
    [2, 1, 1, 1, 1, 75, 1, 75, 75, 75],
  );
});

test('transfers together end well, partly, temporarily or by their fault', () => {
  const transfer = (status: string, code?: string): TransferView => ({
    id: 't',
    rule: 'r',
    source: { bucket: 'b', key: 'k' },
    target: { bucket: 'b', key: 'k' },
    status,
    attemptCount: 1,
    ...(code === undefined ? {} : { fault: { code, title: 't', remedy: 'r' } }),
  });
  const done = transfer('done');
  const denied = transfer('parked', 'access_denied');
  const throttled = transfer('parked', 'source_throttled');
  assert.equal(exitCodeOfTransfers([done, done]), EXIT.ok);
  assert.equal(exitCodeOfTransfers([denied]), EXIT.failure);
  assert.equal(exitCodeOfTransfers([throttled]), EXIT.temporary);
  assert.equal(exitCodeOfTransfers([transfer('copying')]), EXIT.temporary);
  assert.equal(exitCodeOfTransfers([done, denied]), EXIT.partial);
  assert.equal(exitCodeOfTransfers([denied, throttled]), EXIT.failure);
});
