// Certificates of SNS that were fetched once and cannot be fetched again.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../../../test/contract/manual-clock.ts';
import type { DocumentAnswer } from '../../core/fetch-document.ts';
import { selfSignedCertificate } from '../testing/self-signed-certificate.ts';
import { CERTIFICATE_URL } from '../testing/sns-sender.ts';
import { SigningCertificates } from './signing-certificates.ts';

const HOUR_MS = 3_600_000;
const GENUINE: DocumentAnswer = { status: 200, text: selfSignedCertificate().pem };

function open() {
  const clock = new ManualClock();
  clock.advance(Date.now() - clock.nowMs());
  const world = { answer: GENUINE as DocumentAnswer | Error };
  const certificates = new SigningCertificates({
    clock,
    fetchDocument: async ({ url }) => {
      if (url !== CERTIFICATE_URL) return { status: 404, text: '' };
      if (world.answer instanceof Error) throw world.answer;
      return world.answer;
    },
  });
  const ask = async () => {
    const found = await certificates.get(CERTIFICATE_URL, null);
    return 'problem' in found ? found.problem : 'certificate';
  };
  return { clock, world, certificates, ask };
}

test('a certificate serves for some days more while SNS cannot be asked', async () => {
  const { clock, world, ask } = open();
  assert.equal(await ask(), 'certificate');
  clock.advance(25 * HOUR_MS);
  for (const answer of [new Error('no route'), { status: 503, text: '' }]) {
    world.answer = answer;
    clock.advance(60_000);
    assert.equal(await ask(), 'certificate');
    assert.equal(await ask(), 'certificate');
  }
  clock.advance(7 * 24 * HOUR_MS);
  assert.equal(await ask(), 'it was answered 503');
  world.answer = GENUINE;
  clock.advance(60_000);
  assert.equal(await ask(), 'certificate');
});

test('a certificate that SNS took away, or replaced by a wrong one, does not serve any more', async () => {
  for (const [answer, problem] of [
    [{ status: 404, text: '' }, 'it was answered 404'],
    [{ status: 200, text: 'gone' }, 'it is no certificate'],
  ] as const) {
    const { clock, world, ask } = open();
    assert.equal(await ask(), 'certificate');
    clock.advance(25 * HOUR_MS);
    world.answer = answer;
    assert.equal(await ask(), problem);
  }
});

test('a flood of made-up certificates does not keep the right one from being believed after its day', async () => {
  const { clock, certificates, ask } = open();
  assert.equal(await ask(), 'certificate');
  clock.advance(25 * HOUR_MS);
  for (let made = 0; made < 30; made += 1) await certificates.get(`${CERTIFICATE_URL}${made}`, null);
  assert.equal(await ask(), 'certificate');
});
