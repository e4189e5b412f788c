// curl piped into curl, one pipe for each large object: what two sockets and a pipe cost, with nothing checked.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { Contender, Measurement, Setting } from '../measurement.ts';
import { callsOfAll, type StandIns, startStandIns } from '../stand-in-process.ts';
import { objectsOf } from '../workloads.ts';

const run = promisify(execFile);
/** Below this a process for each object is all that would be seen. */
const SMALLEST_BYTES = 8 * 1024 * 1024;

export function curl(): Contender {
  return {
    name: 'curl to curl',
    whyNot: async () =>
      run('curl', ['--version']).then(
        () => null,
        () => 'there is no curl',
      ),
    takes: ({ parts }) => parts.every(({ sizeBytes }) => sizeBytes >= SMALLEST_BYTES),
    measure,
  };
}

async function measure(setting: Setting): Promise<Measurement> {
  const clouds = await startStandIns(setting);
  try {
    const pipes = [];
    for (const { key, sizeBytes } of objectsOf(setting.workload))
      pipes.push(pipeOf(clouds, key, sizeBytes, await openSession(clouds, key)));
    const startedMs = performance.now();
    // The shell tells the processor time of what it waited for.
    const { stdout } = await run('sh', [
      '-c',
      `${pipes.map((pipe) => `{ ${pipe}; } &`).join('\n')}\nwait\ntimes`,
    ]);
    const seconds = (performance.now() - startedMs) / 1000;
    const calls = await callsOfAll(clouds, setting);
    return { seconds, cpuSeconds: childSeconds(stdout), peakMiB: Number.NaN, calls };
  } finally {
    await clouds.stop();
  }
}

/** As the service does it; curl asks for a session with an empty document. */
async function openSession({ gcsUrl, certificatePath }: StandIns, key: string): Promise<string> {
  const url = `${gcsUrl}/upload/storage/v1/b/to-there/o?uploadType=resumable&name=${encodeURIComponent(key)}`;
  const trust = certificatePath === null ? [] : ['--cacert', certificatePath];
  const { stdout } = await run('curl', ['-sS', ...trust, '-X', 'POST', '-D', '-', url]);
  const session = /^location: *(\S+)/im.exec(stdout)?.[1];
  if (session === undefined) throw new Error(`No session was opened: ${stdout}`);
  return session;
}

function pipeOf(
  { s3Url, certificatePath }: StandIns,
  key: string,
  sizeBytes: number,
  session: string,
): string {
  const trust = certificatePath === null ? '' : `--cacert ${certificatePath}`;
  const range = `content-range: bytes 0-${sizeBytes - 1}/${sizeBytes}`;
  return (
    `curl -sSf ${trust} ${s3Url}/from-here/${key} | ` +
    `curl -sSf ${trust} -o /dev/null -X PUT -H "${range}" -H "content-length: ${sizeBytes}" ` +
    `-H "transfer-encoding:" -T - "${session}"`
  );
}

/** The second line of `times`: of the children, as `0m1.23s 0m4.56s`. */
function childSeconds(text: string): number {
  const line = text.trim().split('\n').at(-1) ?? '';
  return [...line.matchAll(/(\d+)m([\d.]+)s/g)].reduce(
    (sum, [, minutes, seconds]) => sum + Number(minutes) * 60 + Number(seconds),
    0,
  );
}
