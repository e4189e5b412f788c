import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadWith } from './testing/load-with.ts';

test('a proxy is found by the names that other programs read, and its password is kept and never shown', () => {
  for (const names of [
    ['HTTPS_PROXY', 'HTTP_PROXY', 'NO_PROXY'],
    ['https_proxy', 'http_proxy', 'no_proxy'],
  ] as const) {
    const [https, http, except] = names;
    const loaded = loadWith({
      [https]: 'http://user:secretpart@proxy.example.com:3128',
      [http]: 'proxy.example.com:8080',
      [except]: 'localhost,.internal',
    });
    assert.ok(loaded.kind === 'ok');
    const { proxies } = loaded.secrets;
    assert.equal(proxies?.forHttps?.reveal(), 'http://user:secretpart@proxy.example.com:3128/');
    assert.equal(proxies.forHttp?.reveal(), 'http://proxy.example.com:8080/');
    assert.equal(proxies.except, 'localhost,.internal');
    const shown = loaded.settings.find(({ name }) => name === 'HTTPS_PROXY')?.shown;
    assert.equal(shown, 'http://proxy.example.com:3128');
    assert.ok(!JSON.stringify(loaded).includes('secretpart'));
  }
});

test('exceptions alone are no proxy', () => {
  const loaded = loadWith({ NO_PROXY: 'localhost' });
  assert.ok(loaded.kind === 'ok');
  assert.equal(loaded.secrets.proxies, null);
});

test('what is no address of a proxy is refused by name, without being shown', () => {
  for (const text of [
    'socks5://secretpart:1',
    'http://h/secretpart',
    'http://h:1?secretpart',
    'http://:secretpart',
  ]) {
    const loaded = loadWith({ HTTPS_PROXY: text });
    assert.ok(loaded.kind === 'invalid', text);
    assert.match(JSON.stringify(loaded.problems), /HTTPS_PROXY/);
    assert.ok(!JSON.stringify(loaded).includes('secretpart'), text);
  }
});
