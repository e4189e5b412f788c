import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createJsonLogger } from './json-logger.ts';
import { createLogger, type Logger } from './logger.ts';

type Level = keyof Logger;

/** What both loggers write for the same call, with the time taken out. */
function bothLines(level: Level, facts: object, message: string): readonly (readonly string[])[] {
  const texts: string[][] = [[], []];
  const [plain, pino] = texts as [string[], string[]];
  createJsonLogger({ level: 'debug', write: (text) => plain.push(text), nowMs: () => 0 })[level](
    facts,
    message,
  );
  createLogger({ level: 'debug', format: 'json', write: (text) => pino.push(text), isColored: false })[level](
    facts,
    message,
  );
  return texts.map((lines) => lines.map((line) => line.replace(/"time":"[^"]*"/, '"time":""')));
}

const CASES: readonly (readonly [string, object])[] = [
  ['facts of every kind', { a: 1, b: 'x', c: null, d: true, e: [1, 'y'], f: { g: 2 }, h: undefined }],
  ['an error with a cause', { err: new TypeError('no\nway', { cause: new Error('why') }) }],
  ['something thrown that is no error', { err: 'text' }],
  ['secrets', { authorization: 'Bearer canary-12345', url: 'https://a.example/?x-amz-signature=canary' }],
  ['names of objects', { bucket: 'b', key: 'token=\u001b[31m\u2028"\\', target: 'gs://b/k' }],
  ['a whole number beyond doubles', { size: 2n ** 60n }],
];

for (const [name, facts] of CASES)
  test(`${name} are written as the log of the service writes them`, () => {
    for (const level of ['debug', 'info', 'warn', 'error', 'fatal'] as const) {
      const [plain, pino] = bothLines(level, facts, 'said: Bearer canary-12345');
      assert.equal(plain?.length, 1);
      assert.deepEqual(plain?.map(parse), pino?.map(parse));
      assert.doesNotMatch(plain?.join('') ?? '', /canary/);
    }
  });

test('any facts come out as one line that both loggers agree on', () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue()), fc.string(), (facts, message) => {
      const { level: _level, time: _time, msg: _msg, err: _err, ...own } = facts;
      const [plain, pino] = bothLines('info', own, message);
      assert.deepEqual(plain?.map(parse), pino?.map(parse));
    }),
  );
});

test('a level that is not asked for is not written', () => {
  const lines: string[] = [];
  const logger = createJsonLogger({ level: 'warn', write: (text) => lines.push(text), nowMs: () => 0 });
  logger.info({}, 'no');
  logger.debug({}, 'no');
  logger.warn({ n: 1 }, 'yes');
  assert.deepEqual(lines, ['{"level":"warn","time":"1970-01-01T00:00:00.000Z","n":1,"msg":"yes"}\n']);
});

function parse(line: string): unknown {
  return JSON.parse(line) as unknown;
}
