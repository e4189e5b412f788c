import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { parseServiceAccountBase64, parseServiceAccountJson } from './google-credentials.ts';
import type { Parse } from './setting-parsers.ts';

const pem = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({
  type: 'pkcs8',
  format: 'pem',
});
const fields = {
  type: 'service_account',
  project_id: 'my-project',
  private_key_id: 'abc123',
  private_key: pem,
  client_email: 'replicator@my-project.iam.gserviceaccount.com',
};
const json = JSON.stringify(fields, null, 2);
const base64 = Buffer.from(json).toString('base64');

function refusal(parse: Parse<unknown>, text: string): { readonly reason: string; readonly fix: string } {
  const parsed = parse(text);
  assert.ok(!parsed.ok, 'must be refused');
  const { reason, fix } = parsed;
  assert.ok(!`${reason}${fix}`.includes(pem.split('\n')[1] ?? 'no key'));
  return { reason, fix };
}

test('a key file is read from JSON and from base64 in its usual wrappings', () => {
  const wrapped = base64.replaceAll(/(.{76})/g, '$1\n');
  const base64Url = Buffer.from(json).toString('base64url');
  for (const parsed of [
    parseServiceAccountJson(json),
    parseServiceAccountJson(`\n${json}\n`),
    parseServiceAccountBase64(base64),
    parseServiceAccountBase64(wrapped),
    parseServiceAccountBase64(base64Url),
  ]) {
    assert.ok(parsed.ok);
    assert.equal(parsed.value.clientEmail, fields.client_email);
    assert.equal(parsed.value.privateKeyId, 'abc123');
    assert.equal(parsed.value.projectId, 'my-project');
    assert.equal(parsed.value.privateKey.reveal(), pem);
  }
});

test('line breaks of the private key that were escaped twice are repaired', () => {
  const parsed = parseServiceAccountJson(
    JSON.stringify({ ...fields, private_key: pem.replaceAll('\n', String.raw`\n`) }),
  );
  assert.ok(parsed.ok);
  assert.equal(parsed.value.privateKey.reveal(), pem);
});

test('the private key does not show in any printed form', () => {
  const parsed = parseServiceAccountJson(json);
  assert.ok(parsed.ok);
  const shown = `${inspect(parsed.value, { depth: 9, showHidden: true })}${JSON.stringify(parsed.value)}`;
  assert.ok(!shown.includes('PRIVATE KEY'));
  assert.match(shown, /\[secret\]/);
});

test('every usual mistake of base64 is recognised and answered with its fix', () => {
  const twice = Buffer.from(base64).toString('base64');
  assert.match(refusal(parseServiceAccountBase64, json).fix, /GCP_SA_KEY/);
  assert.match(refusal(parseServiceAccountBase64, './key.json').fix, /GCP_CREDENTIALS_PATH/);
  assert.match(refusal(parseServiceAccountBase64, '/run/secrets/key').fix, /GCP_CREDENTIALS_PATH/);
  assert.match(refusal(parseServiceAccountBase64, twice).reason, /twice/);
  assert.match(refusal(parseServiceAccountBase64, base64.slice(0, 300)).reason, /cut off/);
  assert.match(refusal(parseServiceAccountBase64, pem).reason, /private key alone/);
  assert.match(refusal(parseServiceAccountBase64, 'not base64!').reason, /not base64/);
  assert.match(refusal(parseServiceAccountBase64, 'aGVsbG8=').reason, /not of a JSON/);
});

test('every usual mistake of JSON is recognised and answered with its fix', () => {
  assert.match(refusal(parseServiceAccountJson, base64).fix, /GCP_SA_KEY_B64/);
  assert.match(refusal(parseServiceAccountJson, 'keys/key.json').fix, /GCP_CREDENTIALS_PATH/);
  assert.match(refusal(parseServiceAccountJson, json.slice(0, 200)).reason, /cannot be read to its end/);
  assert.match(refusal(parseServiceAccountJson, pem).reason, /private key alone/);
  assert.match(refusal(parseServiceAccountJson, 'hello').reason, /not JSON/);
});

test('JSON that is no key of a service account is refused by what it is', () => {
  const refuse = (changed: object): { reason: string; fix: string } =>
    refusal(parseServiceAccountJson, JSON.stringify({ ...fields, ...changed }));
  assert.match(refuse({ client_email: undefined }).reason, /client_email/);
  assert.match(refuse({ private_key: '' }).reason, /private_key/);
  assert.match(refuse({ private_key: pem.slice(0, 80) }).reason, /not a usable PEM key/);
  assert.match(refuse({ type: 'external_account' }).fix, /GOOGLE_APPLICATION_CREDENTIALS/);
  assert.match(refuse({ type: 'authorized_user' }).reason, /login of a person/);
});
