import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { sessionAddress } from './session-address.ts';

const GOOGLE = 'https://storage.googleapis.com';
const LOCAL = 'http://127.0.0.1:4443';
const PATH = '/upload/storage/v1/b/b/o?uploadType=resumable&upload_id=x%2Fy';

describe('the address of an upload session', () => {
  const accepted: readonly (readonly [string, string])[] = [
    [LOCAL, LOCAL],
    [GOOGLE, GOOGLE],
    [GOOGLE, 'https://Storage.GoogleAPIs.com'],
    [GOOGLE, 'https://storage.europe-west1.rep.googleapis.com'],
    ['https://storage.me-central2.rep.googleapis.com', GOOGLE],
  ];
  for (const [endpoint, origin] of accepted)
    it(`on ${origin} is used with the endpoint ${endpoint}`, () => {
      assert.deepEqual(sessionAddress(origin + PATH, endpoint), { origin: origin.toLowerCase(), path: PATH });
    });

  const refused: readonly (readonly [string, string])[] = [
    [GOOGLE, 'http://storage.googleapis.com'],
    [GOOGLE, 'https://storage.googleapis.com:8443'],
    [GOOGLE, 'https://storage.googleapis.com.attacker.example'],
    [GOOGLE, 'https://attackergoogleapis.com'],
    [GOOGLE, 'https://attacker.example/x.googleapis.com'],
    [GOOGLE, 'https://attacker.example?.googleapis.com'],
    [GOOGLE, 'https://attacker.example#.googleapis.com'],
    [GOOGLE, 'https://attacker.example\\.googleapis.com'],
    [GOOGLE, 'https://attacker.example@storage.googleapis.com'],
    [GOOGLE, LOCAL],
    [LOCAL, GOOGLE],
    [LOCAL, 'https://127.0.0.1:4443'],
    [LOCAL, 'http://127.0.0.1:4444'],
    [LOCAL, 'http://localhost:4443'],
    [LOCAL, 'ftp://127.0.0.1:4443'],
    [LOCAL, ''],
    [LOCAL, `${LOCAL}/\u0000`],
    [LOCAL, `${LOCAL}/é`],
    [LOCAL, `${LOCAL}/ `],
  ];
  for (const [endpoint, origin] of refused)
    it(`on ${JSON.stringify(origin)} is refused with the endpoint ${endpoint}`, () => {
      assert.equal(sessionAddress(origin + PATH, endpoint), null);
    });
});
