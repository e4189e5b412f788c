import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Change, ChangeKind } from '../core/change.ts';
import { NOTHING_CARRIED } from '../replication/stateless/carried.ts';
import { MESSAGE_DOCUMENTS } from './message-documents.ts';
import { parseChangeDocument } from './s3-notification.ts';

const CHANGE: Change = {
  bucket: 'from',
  key: 'a/b c+d%é.txt',
  kind: 'created',
  transport: 's3',
  occurredAtMs: Date.UTC(2026, 3, 5, 6, 7, 8, 9),
  sizeBytes: 12,
  versionId: 'v1',
  sequencer: '00AB',
};
const CARRIED = { attemptCount: 3, waitCount: 2 };

test('a written message is a notification of exactly this object to every reader, and carries its counts back', () => {
  fc.assert(
    fc.property(
      fc.string({ minLength: 1, maxLength: 200, unit: 'grapheme' }),
      fc.constantFrom<ChangeKind>('created', 'removed', 'restored'),
      (key, kind) => {
        fc.pre(Buffer.byteLength(key) <= 1024);
        const change = { ...CHANGE, key, kind };
        const body = MESSAGE_DOCUMENTS.write(change, CARRIED, 'retry', 'a rule');
        assert.deepEqual(parseChangeDocument(JSON.parse(body)).changes, [change]);
        assert.deepEqual(MESSAGE_DOCUMENTS.read(body).carried, CARRIED);
        assert.equal(MESSAGE_DOCUMENTS.read(body).ruleName, 'a rule');
      },
    ),
  );
});

test('what a change does not tell is not made up', () => {
  const change = { ...CHANGE, occurredAtMs: null, sizeBytes: null, versionId: null, sequencer: null };
  const { parsed } = MESSAGE_DOCUMENTS.read(MESSAGE_DOCUMENTS.write(change, CARRIED, 'left', null));
  assert.deepEqual(parsed.changes, [change]);
});

test('counts that somebody else wrote are believed up to a bound, and nonsense counts as none', () => {
  const bodyWith = (own: unknown): string => JSON.stringify({ Records: [], replicator: own });
  for (const own of [undefined, null, 'x', [], { attemptCount: -1, waitCount: 0.5 }, { attemptCount: '9' }])
    assert.deepEqual(MESSAGE_DOCUMENTS.read(bodyWith(own)).carried, { attemptCount: 0, waitCount: 0 });
  assert.deepEqual(MESSAGE_DOCUMENTS.read(bodyWith({ attemptCount: 1e9, waitCount: 7 })).carried, {
    attemptCount: 1000,
    waitCount: 7,
  });
});

test('a body that is no JSON is one malformed record, with the body as it came', () => {
  const { parsed, carried } = MESSAGE_DOCUMENTS.read('{"Records": [');
  assert.equal(parsed.malformed.length, 1);
  assert.equal(parsed.malformed[0]?.raw, '{"Records": [');
  assert.match(parsed.malformed[0]?.reason ?? '', /^the message /);
  assert.deepEqual(carried, { attemptCount: 0, waitCount: 0 });
});

test('no body holds a character that SQS refuses, whatever stood in the document', () => {
  const odd = '\uFFFE\uFFFF\u0001\uD800';
  const change = { ...CHANGE, versionId: odd, sequencer: odd };
  const body = MESSAGE_DOCUMENTS.write(change, NOTHING_CARRIED, 'retry', 'a rule');
  const { malformed } = MESSAGE_DOCUMENTS.read(JSON.stringify({ Records: [{ odd }, { odd }] })).parsed;
  assert.equal(malformed.length, 2);
  for (const text of [body, ...malformed.map(({ raw }) => raw)]) {
    assert.match(text, /^[\t\n\r\u0020-\uD7FF\uE000-\uFFFD]*$/);
    assert.ok(JSON.stringify(JSON.parse(text)).includes(JSON.stringify(odd).slice(1, -1)));
  }
  assert.equal(MESSAGE_DOCUMENTS.read(body).parsed.changes[0]?.versionId, odd);
});
