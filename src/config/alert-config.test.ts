import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadWith } from './testing/load-with.ts';

test('the address of alerts is kept whole, and only its origin is shown', () => {
  const address = 'https://hooks.example.com/services/T0/B0/secretpart?x=secretquery';
  const loaded = loadWith({ ALERT_WEBHOOK_URL: address });
  assert.ok(loaded.kind === 'ok');
  assert.equal(loaded.secrets.alertWebhook?.reveal(), address);
  const shown = loaded.settings.find(({ name }) => name === 'ALERT_WEBHOOK_URL')?.shown;
  assert.equal(shown, 'https://hooks.example.com/[secret]');
});

test('plain http is taken to this machine, elsewhere only where that was allowed, and is then said', () => {
  assert.equal(loadWith({ ALERT_WEBHOOK_URL: 'http://127.0.0.1:9/secretpart' }).kind, 'ok');
  const address = 'http://hooks.example.com/secretpart';
  const refused = loadWith({ ALERT_WEBHOOK_URL: address });
  assert.ok(refused.kind === 'invalid');
  assert.match(JSON.stringify(refused.problems), /ALERT_WEBHOOK_URL.*plain http to another machine/);
  const allowed = loadWith({ ALERT_WEBHOOK_URL: address, REPLICATOR_ALLOW_INSECURE_ENDPOINTS: '1' });
  assert.ok(allowed.kind === 'ok');
  assert.match(JSON.stringify(allowed.warnings), /http:\/\/hooks\.example\.com"/);
  for (const loaded of [refused, allowed]) assert.ok(!JSON.stringify(loaded).includes('secretpart'));
});

test('what is no address is refused without being shown', () => {
  for (const text of [
    'secretpart',
    'ftp://h/secretpart',
    'https://me:secretpart@h/',
    '//hooks.example.com/secretpart',
  ]) {
    const loaded = loadWith({ ALERT_WEBHOOK_URL: text });
    assert.ok(loaded.kind === 'invalid', text);
    assert.ok(!JSON.stringify(loaded).includes('secretpart'), text);
  }
});
