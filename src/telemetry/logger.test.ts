import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
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

/** The only line, as JSON. Fails the test where it is not one valid line of harmless characters. */
function parsedLine(lines: readonly string[]): Readonly<Record<string, unknown>> {
  assert.equal(lines.length, 1);
  const [line = ''] = lines;
  assert.ok(hasNoControls(line), line);
  assert.equal(line.indexOf('\n'), line.length - 1, 'one line');
  const parsed: unknown = JSON.parse(line);
  assert.ok(typeof parsed === 'object' && parsed !== null);
  return { ...parsed };
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
        note: `rpl_ci_${canary.slice(0, 43)}`,
        google: `ya29.${canary}`,
        amazon: 'AKIACANARYCANARYCANA and ASIACANARYCANARYCANA',
        jwt: `eyJ${canary}.${canary}.${canary}`,
        cut: `-----BEGIN PRIVATE KEY-----\n${canary}`,
        written: { toJSON: () => ({ reason: `Bearer ${canary}` }) },
        [`Bearer ${canary}`]: 1,
        err: error,
      },
      `signed with Signature=${canary}`,
    );
    const text = lines.join('');
    assert.ok(!text.toLowerCase().includes('canary'), text);
    assert.match(text, /ok=1/);
  }
});

test('each kind of secret is masked where it stands alone', () => {
  const canary = 'canary0123456789canary0123456789canary01234';
  const named = [
    'x-amz-signature',
    'X-Amz-Credential',
    'x-amz-security-token',
    'X-Goog-Signature',
    'x-goog-credential',
    'upload_id',
    'access_token',
    'Signature',
    'credential',
  ].map((name) => `${name}=${canary}`);
  const secrets = [`Bearer ${canary}`, `BASIC ${canary}`, ...named];
  const shapes = [
    `-----BEGIN RSA PRIVATE KEY-----\n${canary}`,
    `rpl_ci_${canary.slice(0, 43)}`,
    `whsec_${canary}`,
    `ya29.${canary}`,
    'AKIACANARYCANARYCANA',
    'ASIACANARYCANARYCANA',
    `eyJ${canary}`,
  ];
  for (const secret of [...secrets, ...shapes]) {
    const [logger, lines] = logTo('json');
    logger.info({ note: secret, [secret]: { [secret]: 1 } }, secret);
    assert.ok(!lines.join('').toLowerCase().includes('canary'), secret);
  }
});

test('names of objects and ids are no secrets', () => {
  const [logger, lines] = logTo('json');
  logger.info({ key: 'secret/password.txt', keyId: 'ci', kmsKeyName: 'k', transferId: 't', etag: 'e' }, 'm');
  assert.match(lines[0] ?? '', /"key":"secret\/password.txt","keyId":"ci","kmsKeyName":"k"/);
});

test('what operators search for is written as it is, whatever it looks like', () => {
  const secretLooking = 'Bearer 0123456789/AKIA0123456789ABCDEF?upload_id=42&signature=7';
  const names = { key: secretLooking, bucket: secretLooking, target: secretLooking, rule: secretLooking };
  const facts = { ...names, transferId: secretLooking };
  const [logger, lines] = logTo('json');
  logger.info({ ...facts, reason: secretLooking, details: { key: secretLooking } }, secretLooking);
  const parsed = parsedLine(lines);
  assert.deepEqual({ ...parsed, ...facts }, parsed);
  const masked = 'Bearer [secret]?upload_id=[secret]&signature=[secret]';
  assert.equal(parsed['reason'], masked);
  assert.deepEqual(parsed['details'], { key: masked });
  assert.equal(parsed['msg'], masked);
});

test('a key that looks like a private key and forges fields leaves one valid line, wherever it stands', () => {
  const forged = '-----BEGIN PRIVATE KEY-----"},{"level":"fatal","msg":"forged';
  const [logger, lines] = logTo('json');
  logger.info({ key: forged, reason: `about ${forged}`, err: new Error(forged) }, `about ${forged}`);
  const parsed = parsedLine(lines);
  assert.equal(parsed['key'], forged);
  assert.equal(parsed['level'], 'info');
  assert.equal(parsed['reason'], 'about [secret]');
  assert.equal(parsed['msg'], 'about [secret]');
});

test('errors whose causes run in a circle, or stand deep inside, end in a line too', () => {
  const error: Error & { cause?: unknown } = new Error('outer');
  error.cause = new Error('inner with Bearer canary-0123456789', { cause: error });
  const [logger, lines] = logTo('json');
  logger.error({ err: error, details: { first: error, list: [error] } }, 'm');
  logger.error({ err: 'thrown as Bearer canary-0123456789' }, 'm');
  const text = lines.join('');
  assert.match(text, /too deep/);
  assert.match(text, /"list":\[\{"type":"Error","message":"outer"/);
  assert.match(text, /"err":\{"type":"string","message":"thrown as Bearer \[secret\]"\}/);
  assert.ok(!text.includes('canary'));
});

// Pieces that a careless mask, a careless escape or a terminal would trip over.
const FRAGMENTS = [
  '-----BEGIN PRIVATE KEY-----',
  '-----END PRIVATE KEY-----',
  'Bearer ',
  'upload_id=',
  'X-Amz-Signature=',
  'rpl_ci_',
  'ya29.',
  'eyJ',
  'AKIA0123456789ABCDEF',
  '"},{"level":"fatal","msg":"forged',
  '"',
  '\\',
  '\\u000a',
  '\n',
  '\r',
  '\u001b[2J',
  '\u009b',
  '\u2028',
  '\u202e',
  '\ud800',
  '0123456789abcdefABCDEF',
];

const anyText = fc
  .array(fc.oneof(fc.constantFrom(...FRAGMENTS), fc.string({ unit: 'binary', maxLength: 12 })), {
    maxLength: 8,
  })
  .map((parts) => parts.join(''));

test('whatever a key, a reason or a message holds, every line is one valid line of harmless characters', () => {
  fc.assert(
    fc.property(anyText, anyText, anyText, (key, text, name) => {
      const facts = { bucket: 'b', key, reason: text, details: { [name]: [text] }, err: new Error(text) };
      const [jsonLogger, jsonLines] = logTo('json');
      jsonLogger.info(facts, text);
      const parsed = parsedLine(jsonLines);
      assert.equal(parsed['key'], key);
      assert.equal(parsed['level'], 'info');
      assert.equal(typeof parsed['msg'], 'string');
      assert.equal(Object.keys(parsed).length, 8);

      const [prettyLogger, prettyLines] = logTo('pretty');
      const { err: _stack, ...flat } = facts;
      prettyLogger.info(flat, text);
      const shown = prettyLines.join('');
      assert.ok(hasNoControls(shown), shown);
      assert.equal(shown.indexOf('\n'), shown.length - 1, 'one line');
      assert.match(shown, /^\[[\d:.]+\] INFO: /);
    }),
    { numRuns: 500 },
  );
});
