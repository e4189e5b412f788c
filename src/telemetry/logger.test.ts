import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLogger, type Logger } from './logger.ts';

const NASTY = 'a\nb\r\u001b[31mred\u0000\u009b2J\u202egpj.exe\u2028"q"\\n\u{1f600}';

function logTo(format: 'json' | 'pretty', level: 'debug' | 'warn' = 'debug'): [Logger, string[]] {
  const lines: string[] = [];
  const write = (text: string): void => {
    lines.push(text);
  };
  return [createLogger({ level, format, write, isColored: false }), lines];
}

/** True where the text holds nothing a terminal or a line-based reader could act on, but its line breaks. */
function hasNoControls(text: string): boolean {
  return Array.from(text).every((character) => {
    const code = character.codePointAt(0) ?? 0;
    if (code < 0x20 || (code >= 0x7f && code <= 0x9f)) return character === '\n';
    return !(code >= 0x2028 && code <= 0x202e) && !(code >= 0x2066 && code <= 0x2069);
  });
}

test('a JSON line is one line, has only harmless characters, and keeps the exact key', () => {
  const [logger, lines] = logTo('json');
  logger.info({ bucket: 'b', key: NASTY }, `about ${NASTY}`);
  const [line = ''] = lines;
  assert.equal(line.split('\n').length, 2);
  assert.ok(hasNoControls(line));
  const parsed: unknown = JSON.parse(line);
  assert.ok(typeof parsed === 'object' && parsed !== null && 'key' in parsed && 'msg' in parsed);
  assert.equal(parsed.key, NASTY);
  assert.equal(parsed.msg, `about ${NASTY}`);
});

test('a pretty line shows control characters of keys, messages and fields as escapes', () => {
  const [logger, lines] = logTo('pretty');
  logger.info({ bucket: 'b', key: NASTY, target: NASTY, nested: { [NASTY]: NASTY } }, `about ${NASTY}`);
  const text = lines.join('');
  assert.equal(text.split('\n').length, 2);
  assert.ok(hasNoControls(text));
  assert.match(text, /\\n/);
  assert.match(text, /\\u001b\[31mred/);
  assert.match(text, /\\u009b2J\\u202e/);
  assert.match(text, /b\/a\\nb/);
});

test('an error is shown with its kind, its stack and its cause, in both formats', () => {
  for (const format of ['json', 'pretty'] as const) {
    const [logger, lines] = logTo(format);
    const error = new TypeError('went\u001b wrong\nbadly', { cause: new Error('the root') });
    logger.error({ err: error }, 'trouble');
    const text = lines.join('');
    assert.ok(hasNoControls(text));
    assert.match(text, /TypeError/);
    assert.match(text, /went\\u001b wrong\\nbadly/);
    assert.match(text, /the root/);
    assert.match(text, /at .*logger\.test\.ts/);
  }
});

test('a level that is not asked for is not written', () => {
  const [logger, lines] = logTo('json', 'warn');
  logger.info({}, 'no');
  logger.debug({}, 'no');
  logger.warn({}, 'yes');
  logger.fatal({}, 'yes');
  assert.equal(lines.length, 2);
  assert.match(lines[0] ?? '', /"level":"warn"/);
});

test('secrets are masked by the name of their field and by their shape, in both formats', () => {
  const canary = 'canary0123456789canary0123456789canary01234';
  for (const format of ['json', 'pretty'] as const) {
    const [logger, lines] = logTo(format);
    const error = Object.assign(new Error(`PUT https://x/o?upload_id=${canary}`), { code: 'E' });
    logger.error(
      {
        authorization: canary,
        headers: { Authorization: canary, 'set-cookie': canary, 'x-amz-security-token': canary },
        deep: [{ secretAccessKey: canary, private_key: canary, sessionUri: canary, apiKey: canary }],
        url: `https://s3/x?X-Amz-Signature=${canary}&X-Amz-Credential=${canary}&ok=1`,
        text: `sent Bearer ${canary} and -----BEGIN PRIVATE KEY-----\n${canary}\n-----END PRIVATE KEY-----`,
        key: `rpl_ci_${canary.slice(0, 43)}`,
        google: `ya29.${canary}`,
        err: error,
      },
      `signed with Signature=${canary}`,
    );
    const text = lines.join('');
    assert.ok(!text.includes('canary'), text);
    assert.match(text, /ok=1/);
  }
});

test('names of objects and ids are no secrets', () => {
  const [logger, lines] = logTo('json');
  logger.info({ key: 'secret/password.txt', keyId: 'ci', kmsKeyName: 'k', transferId: 't', etag: 'e' }, 'm');
  assert.match(lines[0] ?? '', /"key":"secret\/password.txt","keyId":"ci","kmsKeyName":"k"/);
});
