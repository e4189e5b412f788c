// Documents as the services and the S3-compatible stores really send them, in every wrapping, and hostile ones.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Change } from '../core/change.ts';
import { parseChangeDocument } from './s3-notification.ts';
import {
  KEY,
  s3Record,
  keyRecord,
  TEST_EVENT,
  NATIVE,
  EXPECTED,
  BRIDGED,
  BRIDGED_CHANGE,
  snsEnvelope,
  sqsRecord,
  snsRecord,
} from './sample-documents.ts';

const WRAPPINGS: readonly [name: string, document: unknown, expected: Change][] = [
  ['an S3 notification', NATIVE, EXPECTED],
  ['an EventBridge event', BRIDGED, BRIDGED_CHANGE],
  ['an SNS envelope', snsEnvelope(NATIVE), EXPECTED],
  ['an SNS envelope around EventBridge', snsEnvelope(BRIDGED), BRIDGED_CHANGE],
  ['SNS records as Lambda passes them', { Records: [snsRecord(NATIVE)] }, EXPECTED],
  ['an SQS batch', { Records: [sqsRecord(NATIVE)] }, EXPECTED],
  ['an SQS batch of SNS envelopes', { Records: [sqsRecord(snsEnvelope(NATIVE))] }, EXPECTED],
  ['an SQS batch of EventBridge events', { Records: [sqsRecord(BRIDGED)] }, BRIDGED_CHANGE],
  ['a list of SQS records without a frame', [sqsRecord(NATIVE)], EXPECTED],
  ['a list of documents', [NATIVE], EXPECTED],
  [
    'the record of a failed invocation, read from its queue',
    {
      Records: [
        sqsRecord({
          version: '1.0',
          requestContext: {
            requestId: 'e4b46cbf',
            functionArn: 'arn:aws:lambda:x',
            condition: 'RetriesExhausted',
          },
          requestPayload: { Records: [sqsRecord(snsEnvelope(NATIVE))] },
          responseContext: { statusCode: 200, functionError: 'Unhandled' },
        }),
      ],
    },
    EXPECTED,
  ],
];

for (const [name, document, expected] of WRAPPINGS)
  test(`${name} gives the one change it carries`, () => {
    assert.deepEqual(parseChangeDocument(document), { changes: [expected], ignored: [], malformed: [] });
  });

/** What stores other than Amazon's send for one and the same key. */
const MAKERS: readonly [name: string, document: unknown, expected: Partial<Change>][] = [
  [
    'a store that escapes slashes, and tells a time without zone and no sequencer',
    {
      Records: [
        s3Record(
          {
            key: 'di+r%2Fa%2Bb%25c%26%C3%A9%E2%98%83.txt',
            size: 3,
            eTag: 'f97c5d29941bfb1b2fdab0874906ab82',
          },
          { eventTime: '2026-11-23T15:33:05.015469' },
        ),
      ],
    },
    { versionId: null, sequencer: null },
  ],
  [
    'a store of its own event source, with the prefix s3: and an outer key that is not encoded',
    {
      EventName: 's3:ObjectCreated:Put',
      Key: `photos/${KEY}`,
      Records: [
        s3Record(
          {
            key: 'di+r%2Fa%2Bb%25c%26%C3%A9%E2%98%83.txt',
            size: 3,
            contentType: 'application/octet-stream',
            versionId: 'c656ab88-7c5b-4a3f-9b1e-2f8f0a9ef001',
            sequencer: '18EAB67191C1AE49',
          },
          {
            eventVersion: '2.0',
            eventSource: 'minio:s3',
            eventName: 's3:ObjectCreated:Put',
            source: { host: 'x' },
          },
        ),
      ],
    },
    { versionId: 'c656ab88-7c5b-4a3f-9b1e-2f8f0a9ef001', sequencer: '18EAB67191C1AE49' },
  ],
  [
    'a store that quotes the ETag and says null for the version',
    {
      Records: [
        s3Record(
          { key: 'di+r/a%2Bb%25c&é☃.txt', size: 3, eTag: '"f97c"', versionId: null, sequencer: '13E0' },
          { eventVersion: '2.2', eventName: 's3:ObjectCreated:Put', glacierEventData: {} },
        ),
      ],
    },
    { versionId: null, sequencer: '13E0' },
  ],
];

for (const [name, document, expected] of MAKERS)
  test(`${name} is understood`, () => {
    const parsed = parseChangeDocument(document);
    assert.deepEqual(parsed, { changes: [{ ...EXPECTED, ...expected }], ignored: [], malformed: [] });
  });

test('the test event of S3 is ignored, bare and wrapped, and never malformed', () => {
  for (const document of [TEST_EVENT, snsEnvelope(TEST_EVENT), { Records: [sqsRecord(TEST_EVENT)] }]) {
    const parsed = parseChangeDocument(document);
    assert.deepEqual([parsed.changes.length, parsed.ignored.length, parsed.malformed.length], [0, 1, 0]);
    assert.match(parsed.ignored[0]?.reason ?? '', /s3:TestEvent/);
  }
});

test('a subscription confirmation is ignored', () => {
  const confirmation = {
    Type: 'SubscriptionConfirmation',
    Message: 'You have chosen to subscribe',
    Token: 't',
  };
  assert.equal(parseChangeDocument(confirmation).ignored.length, 1);
});

test('fields that are only inherited are never read', () => {
  const polluting = `{"__proto__":{"eventSource":"aws:s3","eventName":"ObjectCreated:Put",
    "s3":{"bucket":{"name":"b"},"object":{"key":"k"}}}}`;
  const parsed = parseChangeDocument(JSON.parse(polluting));
  assert.deepEqual([parsed.changes.length, parsed.malformed.length], [0, 1]);
  assert.equal(Object.hasOwn(Object.prototype, 'eventSource'), false);
  const inherited = Object.create(s3Record({ key: 'k' })) as unknown;
  assert.equal(parseChangeDocument(inherited).changes.length, 0);
});

test('what names itself as of another service is ignored, with its name', () => {
  const foreign: readonly [document: unknown, reason: RegExp][] = [
    [{ Records: [{ eventSource: 'aws:kinesis', kinesis: {} }] }, /"aws:kinesis" carries no S3 changes/],
    [{ ...BRIDGED, source: 'aws.ec2' }, /"aws.ec2" carries no S3 changes/],
    [{ ...BRIDGED, source: 'com.example.orders' }, /"com.example.orders" carries no S3 changes/],
  ];
  for (const [document, reason] of foreign) {
    const parsed = parseChangeDocument(document);
    assert.deepEqual([parsed.changes.length, parsed.ignored.length, parsed.malformed.length], [0, 1, 0]);
    assert.match(parsed.ignored[0]?.reason ?? '', reason);
  }
});

test('documents of no shape are malformed with a plain reason', () => {
  const strangers: readonly [document: unknown, reason: RegExp][] = [
    [null, /null, not an object/],
    [undefined, /nothing, not an object/],
    ['text', /"text", not an object/],
    [7, /a number/],
    [{}, /no shape/],
    [{ Records: 'none' }, /no shape/],
    [{ Records: [s3Record({ key: 'k' }, { eventSource: 'aws:s4' })] }, /"aws:s4" carries no S3 changes/],
    [{ ...BRIDGED, source: 7 }, /a number carries no S3 changes/],
    [{ Records: [sqsRecord('')] }, /body of the SQS message is empty/],
    [{ Records: [sqsRecord('hello')] }, /body of the SQS message is not JSON/],
    [{ Records: [{ eventSource: 'aws:sqs', body: 7 }] }, /body of the SQS message is a number, not text/],
    [{ Records: [{ EventSource: 'aws:sns' }] }, /Message of the SNS record is nothing/],
    [{ Type: 'Surprise', Message: '{}' }, /SNS type "Surprise"/],
    [{ Records: [{ eventSource: 'aws:s3' }] }, /no eventName/],
    [{ Records: [s3Record({ key: 'k' }, { s3: [] })] }, /no s3.object/],
    [{ Records: [s3Record({ key: 'k' }, { s3: { object: { key: 'k' } } })] }, /bucket name is nothing/],
    [{ ...BRIDGED, detail: 'none' }, /no detail.object/],
    [
      { eventSource: `aws:s3\u001b[31m\n${'x'.repeat(500)}` },
      /^the event source "aws:s3\\u001b\[31m\\nx{60,80}\.\.\."/,
    ],
  ];
  for (const [document, reason] of strangers) {
    const parsed = parseChangeDocument(document);
    assert.deepEqual([parsed.changes.length, parsed.ignored.length, parsed.malformed.length], [0, 0, 1]);
    assert.match(parsed.malformed[0]?.reason ?? '', reason);
  }
});

test('a document without any record is ignored, with the reason', () => {
  for (const document of [{ Records: [] }, [], [[], { Records: [] }]]) {
    const parsed = parseChangeDocument(document);
    assert.equal(parsed.malformed.length + parsed.changes.length, 0);
    assert.match(parsed.ignored[0]?.reason ?? '', /no records/);
  }
});

test('one bad message of a batch spoils no other', () => {
  const batch = {
    Records: [
      sqsRecord(NATIVE),
      sqsRecord('{"Records":[', 'broken'),
      sqsRecord(TEST_EVENT),
      sqsRecord(snsEnvelope('no json')),
      sqsRecord({ Records: [keyRecord('a'), keyRecord('%zz'), keyRecord('b')] }),
    ],
  };
  const parsed = parseChangeDocument(batch);
  assert.deepEqual(
    parsed.changes.map((change) => change.key),
    [KEY, 'a', 'b'],
  );
  assert.equal(parsed.ignored.length, 1);
  assert.deepEqual(
    parsed.malformed.map((record) => record.raw),
    [
      JSON.stringify(batch.Records[1]),
      JSON.stringify(snsEnvelope('no json')),
      JSON.stringify(keyRecord('%zz')),
    ],
  );
});

test('nesting without end is one malformed record that is kept whole', () => {
  const depth = 200_000;
  const lists = JSON.parse('['.repeat(depth) + ']'.repeat(depth)) as unknown;
  const objects = JSON.parse(`${'{"a":[1,'.repeat(depth)}"x"${',null]}'.repeat(depth)}`) as unknown;
  const deepLists = parseChangeDocument(lists);
  assert.match(deepLists.malformed[0]?.reason ?? '', /nested too deeply/);
  // The lists that were gone through are not part of the record.
  assert.match(deepLists.malformed[0]?.raw ?? '', /^\[{199000,}\]{199000,}$/);
  const { malformed } = parseChangeDocument(objects);
  assert.equal(malformed[0]?.raw, `${'{"a":[1,'.repeat(depth)}"x"${',null]}'.repeat(depth)}`);

  // Inside a text it is told by its brackets, and never taken apart.
  const bombs = ['['.repeat(depth), '{"a":'.repeat(depth), `["\\"[",${'['.repeat(depth)}`];
  const batch = parseChangeDocument({ Records: bombs.map((body) => sqsRecord(body)) });
  for (const { reason } of batch.malformed) assert.match(reason, /SQS message is nested too deeply/);
  assert.equal(batch.malformed.length, bombs.length);
  const brackets = { ...keyRecord('k'), note: `\\"${'['.repeat(500)}` };
  assert.equal(parseChangeDocument({ Records: [sqsRecord({ Records: [brackets] })] }).changes.length, 1);

  let wrapped: object = NATIVE;
  for (let layer = 0; layer < 8; layer++) wrapped = snsEnvelope(wrapped);
  assert.equal(parseChangeDocument(wrapped).changes.length, 1);
  for (let layer = 0; layer < 5; layer++)
    wrapped = { requestContext: { functionArn: 'a' }, requestPayload: wrapped };
  assert.match(parseChangeDocument(wrapped).malformed[0]?.reason ?? '', /nested too deeply/);
});

test('a document of absurdly many records is kept as one, the records before it are taken', () => {
  const parsed = parseChangeDocument([NATIVE, Array.from({ length: 60_000 }, () => 0)]);
  assert.equal(parsed.changes.length, 1);
  assert.equal(parsed.malformed.length, 1);
  assert.match(parsed.malformed[0]?.reason ?? '', /more than 50000 records/);
});
