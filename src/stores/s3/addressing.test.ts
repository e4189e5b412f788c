import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Fault } from '../../core/faults.ts';
import { canonicalQuery, createAddressing, printable } from './addressing.ts';

test('a bucket of Amazon is part of the host name, and of the path where it cannot be', () => {
  const address = createAddressing('eu-west-1', null);
  assert.deepEqual(address('photos', 'a/b.jpg'), {
    origin: 'https://photos.s3.eu-west-1.amazonaws.com',
    host: 'photos.s3.eu-west-1.amazonaws.com',
    path: '/a/b.jpg',
  });
  for (const bucket of ['my.photos', 'Old_Bucket']) {
    assert.deepEqual(address(bucket, 'k'), {
      origin: 'https://s3.eu-west-1.amazonaws.com',
      host: 's3.eu-west-1.amazonaws.com',
      path: `/${bucket}/k`,
    });
  }
  assert.equal(
    createAddressing('cn-north-1', null)('photos', 'k').host,
    'photos.s3.cn-north-1.amazonaws.com.cn',
  );
});

test('an endpoint keeps its port and base path and has the bucket in the path', () => {
  const address = createAddressing('us-east-1', 'http://127.0.0.1:9000/base/');
  assert.deepEqual(address('photos', 'k'), {
    origin: 'http://127.0.0.1:9000',
    host: '127.0.0.1:9000',
    path: '/base/photos/k',
  });
  assert.equal(address('photos', null).path, '/base/photos/');
});

test('every byte of a key but the unreserved ones is encoded, and no segment is touched', () => {
  const address = createAddressing('eu-west-1', null);
  const cases: [string, string][] = [
    ['a b+c%d', '/a%20b%2Bc%25d'],
    ["!'()*", '/%21%27%28%29%2A'],
    ['%2F', '/%252F'],
    ['//lead', '///lead'],
    ['a/../b/./c', '/a/../b/./c'],
    ['trailing/', '/trailing/'],
    ['é', '/%C3%A9'],
    ['e\u0301', '/e%CC%81'],
    ['😀', '/%F0%9F%98%80'],
    ['a?b#c', '/a%3Fb%23c'],
    ['<script>"\'\\', '/%3Cscript%3E%22%27%5C'],
    ['\u0000\n', '/%00%0A'],
    ['~-._', '/~-._'],
  ];
  for (const [key, path] of cases) assert.equal(address('b-1', key).path, path, key);
});

test('a path decodes to exactly the bytes of its key', () => {
  const address = createAddressing('eu-west-1', null);
  fc.assert(
    fc.property(fc.string({ unit: 'binary', minLength: 1 }), (key) => {
      const { path } = address('b-1', key);
      assert.match(path, /^[\x21-\x7e]+$/);
      assert.equal(decodeURIComponent(path.slice(1)), key);
    }),
  );
});

test('a key that no store can have is refused before anything is sent', () => {
  const address = createAddressing('eu-west-1', null);
  for (const key of ['', 'a\ud800b']) {
    assert.throws(
      () => address('bucket', key),
      (error) => error instanceof Fault && error.code === 'source_refused',
    );
  }
});

test('a bucket name cannot lead to another host or path', () => {
  const address = createAddressing('eu-west-1', null);
  for (const bucket of ['', '..', 'a/b', 'evil.example/', 'a@b', 'a?b', 'a b', 'x\r\ny', '-']) {
    assert.throws(
      () => address(bucket, 'k'),
      (error) => error instanceof Fault && error.code === 'source_refused',
      bucket,
    );
  }
});

test('a query is sorted and encodes the slash', () => {
  assert.equal(
    canonicalQuery({ prefix: 'a/b c', 'list-type': '2', 'continuation-token': '1/+=' }),
    'continuation-token=1%2F%2B%3D&list-type=2&prefix=a%2Fb%20c',
  );
});

test('names in messages show control characters as escapes and everything else as it is', () => {
  assert.equal(printable('a\nb"c\\d\u0085é😀\ud800'), 'a\\nb"c\\d\\u0085é😀\\ud800');
});
