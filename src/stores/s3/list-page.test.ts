import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Fault } from '../../core/faults.ts';
import { listQuery, readListPage } from './list-page.ts';

const entry = (key: string, extra = ''): string =>
  `<Contents><Key>${key}</Key><LastModified>2026-11-02T10:00:00.789Z</LastModified>` +
  `<ETag>&quot;0e5&quot;</ETag><Size>007</Size><StorageClass>STANDARD</StorageClass>${extra}</Contents>`;

const document = (rest: string, encoding = '<EncodingType>url</EncodingType>'): string =>
  `<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">` +
  `<Name>b</Name>${encoding}${rest}</ListBucketResult>`;

const keysOf = (text: string): string[] => readListPage(text, 'b').entries.map((item) => item.key);

test('a page is read with its entries and cursor', () => {
  const page = readListPage(
    document(
      `<IsTruncated>true</IsTruncated><NextContinuationToken>1/a+b=&amp;c</NextContinuationToken>${entry('a')}${entry('b')}`,
    ),
    'b',
  );
  assert.deepEqual(page, {
    entries: ['a', 'b'].map((key) => ({
      key,
      etag: '0e5',
      sizeBytes: 7,
      lastModifiedMs: Date.UTC(2026, 10, 2, 10),
    })),
    nextCursor: '1/a+b=&c',
  });
});

test('a page with one entry and a page with none are lists too', () => {
  assert.deepEqual(keysOf(document(`<IsTruncated>false</IsTruncated>${entry('only')}`)), ['only']);
  assert.deepEqual(readListPage(document('<IsTruncated>false</IsTruncated>'), 'b'), {
    entries: [],
    nextCursor: null,
  });
});

test('encoded keys are decoded once', () => {
  const keys = keysOf(
    document(
      ['a+b', 'a%20b', 'a%2Bb', '%252F', '%00%0A', '0123', '1e5', '%E2%98%83', 'true', '%26amp%3B', '%20x%20']
        .map((key) => entry(key))
        .join(''),
    ),
  );
  assert.deepEqual(keys, [
    'a b',
    'a b',
    'a+b',
    '%2F',
    '\u0000\n',
    '0123',
    '1e5',
    '☃',
    'true',
    '&amp;',
    ' x ',
  ]);
});

test('keys of a store that ignores the encoding are taken as they are', () => {
  const keys = keysOf(
    document(
      ['a+b', 'a%20b', ' x ', 'a&amp;lt;b', '&#13;&#x1F600;', '&unknown;'].map((key) => entry(key)).join(''),
      '',
    ),
  );
  assert.deepEqual(keys, ['a+b', 'a%20b', ' x ', 'a&lt;b', '\r😀', '&unknown;']);
});

test('a document type declaration expands nothing', () => {
  const text = `<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>${document(entry('&b;'), '')}`;
  assert.deepEqual(keysOf(text), ['&b;']);
});

test('a list that cannot be trusted is a fault, never a short list', () => {
  const whole = document(`<IsTruncated>false</IsTruncated>${entry('a')}${entry('b')}`);
  for (const text of [
    whole.slice(0, -20),
    whole.slice(0, whole.indexOf('</Contents>') + 11),
    '',
    '<html></html>',
    document('<IsTruncated>true</IsTruncated>'),
    document(entry('%zz')),
    document(entry('%ff')),
    document(entry('')),
    document('<Contents><Key>a</Key></Contents>'),
    document(entry('a').replace('2026-11-02', 'never')),
  ]) {
    assert.throws(
      () => readListPage(text, 'b'),
      (error) => error instanceof Fault && error.code === 'source_error',
      text,
    );
  }
});

test('the query asks for encoded keys, at most 1,000 at a time', () => {
  assert.deepEqual(listQuery({ prefix: '', cursor: null, limit: 5000 }), {
    'list-type': '2',
    'encoding-type': 'url',
    'max-keys': '1000',
  });
  assert.deepEqual(listQuery({ prefix: 'a/', cursor: 't', limit: 2 }), {
    'list-type': '2',
    'encoding-type': 'url',
    'max-keys': '2',
    prefix: 'a/',
    'continuation-token': 't',
  });
});
