// The list of faults in docs/semantics.md and the tests agree: every row stands there once, and what is said to show
// it is a test of exactly that name, or a reason why no test can.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { CRASH_POINTS } from './crash/crash-points.ts';

const ROOT = join(import.meta.dirname, '..');
/** Its moments are data: the crash test kills at each of them. */
const CRASH_POINTS_FILE = 'test/crash/crash-points.ts';
const DOCUMENT = 'docs/semantics.md';
const SECTION = '## Faults, row by row';
const LAST_ROW = 107;
/** Rows that are allowed to have a reason in the place of a test. */
const MOST_REASONS = 2;
const SHORTEST_REASON = 40;

interface Row {
  readonly number: number;
  readonly fault: string;
  readonly behaviour: string;
  readonly shownBy: string;
}

interface NamedTest {
  readonly row: number;
  readonly path: string;
  readonly name: string;
}

function readRows(): Row[] {
  const document = readFileSync(join(ROOT, DOCUMENT), 'utf8');
  const begin = document.indexOf(SECTION);
  assert.ok(begin >= 0, `${DOCUMENT} has the section "${SECTION}"`);
  const end = document.indexOf('\n## ', begin + SECTION.length);
  const section = document.slice(begin, end < 0 ? undefined : end);
  return section
    .split('\n')
    .filter((line) => /^\| \d/.test(line))
    .map((line) => {
      const cells = line.split(/(?<!\\)\|/).map((cell) => cell.trim().replaceAll('\\|', '|'));
      const [, number = '', fault = '', behaviour = '', shownBy = '', ...rest] = cells;
      assert.equal(rest.length, 1, `Four cells: ${line}`);
      return { number: Number(number), fault, behaviour, shownBy };
    });
}

/** The reason of a row that no test shows; null where tests are named. */
function reasonOf({ shownBy }: Row): string | null {
  return /^(?:by construction|not testable here): (.+)$/.exec(shownBy)?.[1] ?? null;
}

/** `path`: "name", "name"; `path`: "name" */
function namedTests(row: Row): NamedTest[] {
  const named: NamedTest[] = [];
  const unread = row.shownBy.replaceAll(
    /`([^`]+)`: ((?:"[^"]+"(?:, )?)+)(?:; )?/g,
    (_, path: string, names: string) => {
      for (const [, name = ''] of names.matchAll(/"([^"]+)"/g)) named.push({ row: row.number, path, name });
      return '';
    },
  );
  assert.equal(unread, '', `Row ${row.number} names something else than tests`);
  return named;
}

/**
 * The texts in a file that are names of tests: the first argument of a call or a property name, at the beginning of
 * its line or directly behind an opening bracket. Placeholders of a template stay as they are written.
 */
function namesIn(text: string): string[] {
  const calls = text.matchAll(/(?:\b(?:test|it|promised)\(\s*)('(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*")/g);
  const properties = text.matchAll(/^ +('(?:[^'\\\n]|\\.)*'): (?:async|below)\b/gm);
  const templates = text.matchAll(/\b(?:test|it)\(`((?:[^`\\]|\\.)*)`,/g);
  const plain = [...calls, ...properties].map((match) => unquoted(match[1] ?? ''));
  return [...plain, ...[...templates].map((match) => match[1] ?? '')];
}

function unquoted(literal: string): string {
  return literal.slice(1, -1).replaceAll(/\\(.)/g, '$1');
}

/** True where `name` is what a test of the file is called, with the placeholders of its template filled in. */
function hasTest(text: string, name: string): boolean {
  return namesIn(text).some((candidate) => {
    if (candidate === name) return true;
    const fixed = candidate.split(/\$\{[^}]*\}/);
    if (fixed.length === 1) return false;
    const pattern = fixed.map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('(.+)');
    const filled = new RegExp(`^${pattern}$`).exec(name)?.slice(1);
    // What fills a placeholder stands in the table of the same file.
    return filled?.every((part) => part.split(' ').every((word) => text.includes(word))) ?? false;
  });
}

const rows = readRows();

test('every fault is listed once, in order, with what the service does', () => {
  const expected = Array.from({ length: LAST_ROW }, (_, index) => index + 1);
  assert.deepEqual(
    rows.map((row) => row.number),
    expected,
  );
  const silent = rows.filter((row) => row.fault === '' || row.behaviour === '' || row.shownBy === '');
  assert.deepEqual(silent, []);
});

test('every test that is named is there under exactly that name', () => {
  const missing = rows
    .filter((row) => reasonOf(row) === null)
    .flatMap(namedTests)
    .filter(({ path, name }) => {
      if (path === CRASH_POINTS_FILE) return !CRASH_POINTS.some((point) => point.name === name);
      const file = join(ROOT, path);
      const isRun = /\.(test|contract)\.ts$/.test(path);
      return !isRun || !existsSync(file) || !hasTest(readFileSync(file, 'utf8'), name);
    });
  assert.deepEqual(missing, []);
});

test('few faults have a reason in the place of a test, and none a poor one', () => {
  const reasons = rows.flatMap((row) => {
    const reason = reasonOf(row);
    return reason === null ? [] : [{ row: row.number, reason }];
  });
  assert.ok(reasons.length <= MOST_REASONS, JSON.stringify(reasons));
  assert.deepEqual(
    reasons.filter(({ reason }) => reason.length < SHORTEST_REASON),
    [],
  );
});

test('a name that no test has, or a path that does not exist, is found', () => {
  const text = "test('one', () => {});\nfor (const n of ['a']) test(`the ${n} case`, () => {});\n";
  assert.ok(hasTest(text, 'one') && hasTest(text, 'the a case'));
  assert.ok(!hasTest(text, 'on') && !hasTest(text, 'the b case') && !hasTest("// test('", 'one'));
  const row = { number: 1, fault: 'f', behaviour: 'b', shownBy: 'see `test/x.test.ts`: "one"' };
  assert.throws(() => namedTests(row));
});
