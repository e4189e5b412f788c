// Whatever JSON arrives: nothing throws, and every record of a document lands in exactly one list.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { parseChangeDocument } from './s3-notification.ts';

// Every name carries the seed: put it here in place of the time to see the same values again.
const seed = Date.now() % 2 ** 31;
const options = { numRuns: 400, seed };

const NAMES = [
  'Records',
  'eventSource',
  'EventSource',
  'source',
  'detail-type',
  'detail',
  'Type',
  'Message',
  'Event',
];
const MORE_NAMES = [
  's3',
  'bucket',
  'object',
  'name',
  'key',
  'eventName',
  'eventVersion',
  'body',
  'Sns',
  '__proto__',
];
const WORDS = [
  'aws:s3',
  'aws:sqs',
  'aws:sns',
  'aws.s3',
  'minio:s3',
  'Notification',
  'ObjectCreated:Put',
  'Object Created',
];
const MORE_WORDS = ['2.1', '3.0', 's3:TestEvent', '%', 'a+b', '{"Records":[]}', '[]', '\ud800', ''];

/** JSON that is often nearly right, so that the deep branches are reached. */
const { nearly } = fc.letrec<{ nearly: unknown }>((tie) => ({
  nearly: fc.oneof(
    { maxDepth: 6, depthSize: 'small' },
    fc.constantFrom(...WORDS, ...MORE_WORDS),
    fc.jsonValue(),
    fc.double(),
    fc.array(tie('nearly'), { maxLength: 4 }),
    fc.dictionary(fc.constantFrom(...NAMES, ...MORE_NAMES), tie('nearly'), { maxKeys: 6 }),
    tie('nearly').map((value) => JSON.stringify(value)),
  ),
}));

const record = fc.record({
  eventVersion: fc.constantFrom('2.1', '2.3', '3.0', 2),
  eventSource: fc.constantFrom('aws:s3', 'minio:s3', 'aws:kinesis', 'aws:sqs'),
  eventName: fc.constantFrom('ObjectCreated:Put', 'ObjectRemoved:Delete', 'ObjectTagging:Put', 'New:Kind'),
  eventTime: fc.oneof(fc.string(), fc.constant('2026-11-23T15:33:05Z')),
  s3: fc.record({
    bucket: fc.record({ name: fc.oneof(fc.constant('photos'), fc.jsonValue()) }),
    object: fc.record({ key: fc.oneof(fc.string({ unit: 'binary' }), fc.jsonValue()), size: fc.jsonValue() }),
  }),
});

test(`no JSON value makes the parser throw (seed ${seed})`, () => {
  fc.assert(
    fc.property(nearly, (document) => {
      const parsed = parseChangeDocument(document);
      assert.ok(parsed.changes.length + parsed.ignored.length + parsed.malformed.length >= 1);
      for (const { reason, raw } of parsed.malformed) {
        assert.doesNotThrow(() => JSON.parse(raw) as unknown, `${reason}: ${raw}`);
        assert.ok(reason.length > 0 && reason.length < 400);
      }
    }),
    options,
  );
});

test(`every record lands in exactly one list, at its own worth (seed ${seed})`, () => {
  fc.assert(
    fc.property(fc.array(record, { minLength: 1, maxLength: 12 }), (records) => {
      const parsed = parseChangeDocument({ Records: records });
      assert.equal(parsed.changes.length + parsed.ignored.length + parsed.malformed.length, records.length);
      const alone = records.map((one) => parseChangeDocument({ Records: [one] }));
      assert.deepEqual(parsed, {
        changes: alone.flatMap((one) => one.changes),
        ignored: alone.flatMap((one) => one.ignored),
        malformed: alone.flatMap((one) => one.malformed),
      });
    }),
    options,
  );
});

test(`wrapping a document as SNS, SQS and a list changes nothing (seed ${seed})`, () => {
  fc.assert(
    fc.property(fc.array(record, { minLength: 1, maxLength: 4 }), (records) => {
      const document = { Records: records };
      const message = { Type: 'Notification', Message: JSON.stringify(document) };
      const batch = { Records: [{ eventSource: 'aws:sqs', body: JSON.stringify(message) }] };
      // Through text, as a wrapped document goes: JSON has no -0.
      const plain = JSON.parse(JSON.stringify(document)) as unknown;
      assert.deepEqual(parseChangeDocument([batch]), parseChangeDocument(plain));
    }),
    options,
  );
});

test(`every key survives its own form encoding (seed ${seed})`, () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', minLength: 1, maxLength: 250 }), (key) => {
      const encoded = new URLSearchParams({ key }).toString().slice('key='.length);
      const s3 = { bucket: { name: 'photos' }, object: { key: encoded } };
      const { changes } = parseChangeDocument({
        Records: [{ eventVersion: '2.1', eventSource: 'aws:s3', eventName: 'ObjectCreated:Put', s3 }],
      });
      assert.equal(changes[0]?.key, key);
    }),
    options,
  );
});
