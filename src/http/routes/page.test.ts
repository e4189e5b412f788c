import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { openTestApi } from '../testing/open-test-api.ts';

const PAGE_FOLDER = new URL('../page/', import.meta.url);

test('the page is served under a policy that allows no inline script and no foreign host', async (t) => {
  const api = await openTestApi(t);
  const { status, headers, text } = await api.call('GET', '/');
  assert.equal(status, 200);
  assert.match(headers.get('content-type') ?? '', /^text\/html/);
  assert.deepEqual((headers.get('content-security-policy') ?? '').split(';').sort(), [
    "base-uri 'none'",
    "connect-src 'self'",
    "default-src 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "img-src 'self'",
    "script-src 'self'",
    "style-src 'self'",
  ]);
  assert.doesNotMatch(text, /<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=/i);
  assert.doesNotMatch(text, /https?:\/\//);
});

test('everything that the page and its modules ask for is served with its type', async (t) => {
  const api = await openTestApi(t);
  const types: Record<string, RegExp> = {
    js: /^(?:text|application)\/javascript/,
    css: /^text\/css/,
    svg: /^image\/svg/,
  };
  const waiting = ['/'];
  const seen = new Set<string>();
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    if (seen.has(path)) continue;
    seen.add(path);
    const answer = await api.call('GET', path);
    assert.equal(answer.status, 200, path);
    const type = types[path.split('.')[1] ?? ''];
    if (type !== undefined) assert.match(answer.headers.get('content-type') ?? '', type, path);
    for (const [, name] of answer.text.matchAll(/(?:src|href)="([\w.-]+\.\w+)"|from '\.\/([\w.-]+)'/g)) {
      if (name !== undefined) waiting.push(`/${name}`);
    }
    for (const [, name] of answer.text.matchAll(/from '\.\/([\w.-]+)'/g)) waiting.push(`/${name}`);
  }
  const files = (await readdir(PAGE_FOLDER)).filter((name) => name !== 'index.html').sort();
  assert.deepEqual(
    [...seen].filter((path) => path !== '/').sort(),
    files.map((name) => `/${name}`),
  );
});

test('no module of the page turns text into markup or code, or keeps the key longer than the tab', async () => {
  for (const name of await readdir(PAGE_FOLDER)) {
    const text = await readFile(new URL(name, PAGE_FOLDER), 'utf8');
    assert.doesNotMatch(
      text,
      /innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function/,
      name,
    );
    assert.doesNotMatch(text, /localStorage|document\.cookie/, name);
  }
});

test('nothing beside the files of the page is served', async (t) => {
  const api = await openTestApi(t);
  for (const path of [
    '/server.ts',
    '/..%2fserver.ts',
    '/%2e%2e%2fserver.ts',
    '/page/page.js',
    '/index.html',
  ]) {
    assert.equal((await api.call('GET', path)).status, 404, path);
  }
});
