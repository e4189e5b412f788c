import assert from 'node:assert/strict';
import { test } from 'node:test';
import { holdsSecretShape, maskSecretShapes } from './secret-shapes.ts';

const SECRETS = [
  '-----BEGIN PRIVATE KEY-----\nabc\n-----END PRIVATE KEY-----',
  '-----BEGIN RSA PRIVATE KEY-----\ncut off',
  `rpl_my-laptop_${'aZ0_-'.repeat(9).slice(0, 43)}`,
  'ya29.a0AfH6-x_y',
  'whsec_AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=',
  'AKIA0123456789ABCDEF',
  'ASIA0123456789ABCDEF',
  'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln',
];

const NAMES = [
  'photos/2026/a b.jpg',
  'MAKIAVELLI-0123456789AB',
  'rpl_short',
  'whsec_short',
  'eyJ',
  '9b2cf535f27731c974343645a3985328',
  'crc64nvme:AAAAAAAAAAA=',
  'my-bucket-of-a-name-that-is-rather-long-indeed-0123456789',
  '-----BEGIN CERTIFICATE-----',
];

test('a secret is told by its shape and masked whole, wherever it stands in a text', () => {
  for (const secret of SECRETS) {
    // Asked twice: the answer does not depend on an earlier one.
    for (let round = 0; round < 2; round++) assert.equal(holdsSecretShape(`set to ${secret}`), true, secret);
    assert.equal(maskSecretShapes(`set to ${secret}`, '[x]'), 'set to [x]');
  }
  const [pem = '', , key = ''] = SECRETS;
  assert.equal(maskSecretShapes(`${pem} and ${key}, both`, '[x]'), '[x] and [x], both');
});

test('names of objects and checksums have no such shape', () => {
  for (const name of NAMES) {
    assert.equal(holdsSecretShape(name), false, name);
    assert.equal(maskSecretShapes(name, '[x]'), name);
  }
});
