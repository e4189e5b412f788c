// The Python stack: `python-stack.py` under uvicorn, one process, posted one change after the other by as many callers as
// there may be objects in flight.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../../sandbox/service-process.ts';
import { installPythonProgram } from '../../test/interop/install.ts';
import type { Contender, Measurement, Setting } from '../measurement.ts';
import { cpuSeconds, memoryMiB } from '../../test/measure/process-figures.ts';
import { startStandIns } from '../stand-in-process.ts';
import { objectsOf, type Workload } from '../workloads.ts';
import { installedContender } from './installed-contender.ts';

const STACK = {
  name: 'python-stack',
  version: '1',
  requirements: ['fastapi==0.165.0', 'uvicorn==0.54.0', 'boto3==1.44.8', 'google-cloud-storage==3.17.1'],
  minPythonMinor: 10,
};
const START_LIMIT_MS = 60_000;

export function python(): Contender {
  return installedContender({
    name: 'Python stack',
    install: (tell) => installPythonProgram(STACK, tell),
    measure: (setting, folder) => measure(setting, join(folder, 'bin', 'python')),
  });
}

async function measure(setting: Setting, command: string): Promise<Measurement> {
  const clouds = await startStandIns(setting);
  const port = await freePort();
  const args = ['-m', 'uvicorn', 'python-stack:app', '--port', String(port), '--log-level', 'warning'];
  const child = spawn(command, args, {
    cwd: import.meta.dirname,
    env: {
      PATH: process.env['PATH'],
      PYTHONDONTWRITEBYTECODE: '1',
      S3_URL: clouds.s3Url,
      GCS_URL: clouds.gcsUrl,
      ...(clouds.certificatePath === null
        ? {}
        : { CERTIFICATE: clouds.certificatePath, REQUESTS_CA_BUNDLE: clouds.certificatePath }),
    },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const exited = once(child, 'exit');
  try {
    const pid = child.pid ?? 0;
    const url = `http://127.0.0.1:${port}/replicate`;
    await untilListening(url);
    const before = cpuSeconds(pid);
    const startedMs = performance.now();
    await postEach(url, setting.workload);
    return {
      seconds: (performance.now() - startedMs) / 1000,
      cpuSeconds: cpuSeconds(pid) - before,
      peakMiB: memoryMiB(pid, 'VmHWM'),
      calls: (await clouds.seen()).calls,
    };
  } finally {
    child.kill();
    await exited;
    await clouds.stop();
  }
}

async function untilListening(url: string): Promise<void> {
  const untilMs = performance.now() + START_LIMIT_MS;
  for (;;) {
    try {
      await fetch(url);
      return;
    } catch (error) {
      if (performance.now() > untilMs) throw error;
      await sleep(50);
    }
  }
}

async function postEach(url: string, workload: Workload): Promise<void> {
  const objects = objectsOf(workload);
  const post = async (): Promise<void> => {
    for (;;) {
      const next = objects.next();
      if (next.done === true) return;
      const answer = await fetch(url, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ bucket: 'from-here', key: next.value.key }),
      });
      const text = await answer.text();
      if (!text.includes('copied')) throw new Error(`The stack answered ${answer.status}: ${text}`);
    }
  };
  await Promise.all(Array.from({ length: workload.concurrency }, post));
}
