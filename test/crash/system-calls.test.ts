import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseTrace } from './system-calls.ts';

const hex = (text: string): string =>
  [...Buffer.from(text)].map((byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join('');

test('calls are read with their files, bytes and places, also where another thread came in between', () => {
  const calls = parseTrace(
    [
      `10 openat(AT_FDCWD<${hex('/data')}>, "${hex('/data/a')}", O_RDWR|O_CREAT, 0600) = 7<${hex('/data/a')}>`,
      `10 pwrite64(7<${hex('/data/a')}>, "${hex('one, (two) "')}", 12, 4096 <unfinished ...>`,
      `11 write(3<${hex('pipe:[1]')}>, "${hex('x')}", 1) = 1`,
      `10 <... pwrite64 resumed>) = 12`,
      `10 fdatasync(7<${hex('/data/a')}>) = 0`,
      `11 openat(AT_FDCWD<${hex('/data')}>, "${hex('/none')}", O_RDONLY) = -1 ENOENT (No such file or directory)`,
      `11 +++ exited with 0 +++`,
      `10 writev(9<${hex('socket:[5]')}>, [{iov_base="${hex('HTTP')}", iov_len=4}, {iov_base="${hex('/1.1')}", iov_len=4}], 2) = 8`,
      '',
    ].join('\n'),
  );
  assert.deepEqual(
    calls.map(({ name, target, strings, result, startedAt, endedAt }) => [
      name,
      target,
      strings.map(String).join('|'),
      result,
      startedAt,
      endedAt,
    ]),
    [
      ['openat', '', '/data/a', 7, 0, 0],
      ['write', 'pipe:[1]', 'x', 1, 2, 2],
      ['pwrite64', '/data/a', 'one, (two) "', 12, 1, 3],
      ['fdatasync', '/data/a', '', 0, 4, 4],
      ['writev', 'socket:[5]', 'HTTP|/1.1', 8, 7, 7],
    ],
  );
  assert.ok(calls[2]?.args.endsWith('12, 4096'));
  assert.throws(() => parseTrace(`10 write(3, "${hex('x')}"..., 9) = 9`), /cut the bytes of a call short/);
});
