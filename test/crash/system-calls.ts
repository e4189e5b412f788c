// Reads what strace wrote (-f -y -xx): the system calls of a process in the order in which they ended, with the bytes
// they carried.
import { spawnSync } from 'node:child_process';

/** The calls that change a file, make it durable, or send an answer. */
const TRACED =
  'openat,unlink,unlinkat,rename,ftruncate,fallocate,' +
  'write,writev,pwrite64,pwritev,sendto,sendmsg,fsync,fdatasync';

/** Longer than any single write of the service. */
const LONGEST_BYTES = 8 * 1024 * 1024;

/** Why nothing can be traced here, with these further options; false where it can. */
export function whyNoTracer(options: readonly string[] = []): string | false {
  const args = ['-f', '--seccomp-bpf', ...options, '-o', '/dev/null', 'true'];
  const tried = spawnSync('strace', args, { encoding: 'utf8' });
  if (tried.error !== undefined) return 'strace is not installed';
  return tried.status === 0 ? false : `strace may not trace here: ${tried.stderr.trim()}`;
}

/** Starts a program under the tracer. */
export function tracerCommand(traceFile: string): string[] {
  const bytes = ['-xx', '-s', String(LONGEST_BYTES)];
  return [
    'strace',
    '-f',
    '-y',
    ...bytes,
    '--seccomp-bpf',
    '-e',
    'signal=none',
    '-e',
    `trace=${TRACED}`,
    '-o',
    traceFile,
  ];
}

export interface SystemCall {
  readonly name: string;
  /** Path of the file or name of the socket that the first argument stands for; empty where it stands for none. */
  readonly target: string;
  /** The strings among the arguments, as bytes: what was written, or a path. */
  readonly strings: readonly Buffer[];
  /** The arguments as text, strings in hexadecimal. */
  readonly args: string;
  readonly result: number;
  /** Places in the trace: a call that began before another one ended may overlap it. */
  readonly startedAt: number;
  readonly endedAt: number;
}

/** Calls that failed are left out. Throws where a string was cut short by the tracer. */
export function parseTrace(trace: string): SystemCall[] {
  const unfinished = new Map<string, { readonly text: string; readonly startedAt: number }>();
  const calls: SystemCall[] = [];
  for (const [endedAt, line] of trace.split('\n').entries()) {
    const [, thread = '', text = ''] = /^(\d+) +(.*)$/.exec(line) ?? [];
    if (text.endsWith('<unfinished ...>')) {
      unfinished.set(thread, { text: text.slice(0, -'<unfinished ...>'.length), startedAt: endedAt });
      continue;
    }
    const resumed = /^<\.\.\. \w+ resumed>/.exec(text);
    const begun = resumed === null ? null : unfinished.get(thread);
    const whole = resumed === null ? text : `${begun?.text ?? ''}${text.slice(resumed[0].length)}`;
    const call = parseCall(whole, begun?.startedAt ?? endedAt, endedAt);
    if (call !== null && call.result >= 0) calls.push(call);
  }
  return calls;
}

function parseCall(text: string, startedAt: number, endedAt: number): SystemCall | null {
  const open = text.indexOf('(');
  const close = text.lastIndexOf(') ');
  if (open <= 0 || close < open) return null;
  const args = text.slice(open + 1, close).trimEnd();
  const result = /^\) += (-?\d+)/.exec(text.slice(close))?.[1];
  if (result === undefined) return null;
  if (args.includes('"...')) throw new Error('The tracer cut the bytes of a call short');
  return {
    name: text.slice(0, open),
    target: bytesOf(/^\d+<([^>]*)>/.exec(args)?.[1] ?? '').toString(),
    strings: args.split('"').flatMap((part, index) => (index % 2 === 1 ? [bytesOf(part)] : [])),
    args,
    result: Number(result),
    startedAt,
    endedAt,
  };
}

function bytesOf(hexadecimal: string): Buffer {
  return Buffer.from(hexadecimal.replaceAll('\\x', ''), 'hex');
}
