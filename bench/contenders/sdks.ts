// The vendors' SDKs used plainly in Node: a loop of GetObject and `file.save`, or a stream for what is large.
import { join } from 'node:path';
import type { Contender, Measurement, Setting } from '../measurement.ts';
import { callsOfAll, startStandIns } from '../stand-in-process.ts';
import { textOfParts } from '../workloads.ts';
import { measureProcess } from './copying-process.ts';

/** `sdk-copy.ts` in a process of its own. */
export function sdks(): Contender {
  return { name: 'SDKs in Node', whyNot: async () => null, measure };
}

async function measure(setting: Setting): Promise<Measurement> {
  const clouds = await startStandIns(setting);
  try {
    const { workload } = setting;
    const options = {
      s3: clouds.s3Url,
      gcs: clouds.gcsUrl,
      parts: textOfParts(workload),
      concurrency: workload.concurrency,
    };
    const args = Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]);
    const figures = await measureProcess({
      command: process.execPath,
      args: [join(import.meta.dirname, 'sdk-copy.ts'), ...args],
      env: clouds.nodeSettings,
    });
    return { ...figures, calls: await callsOfAll(clouds, setting) };
  } finally {
    await clouds.stop();
  }
}
