// What a benchmark leaves behind: a table for people, and one JSON file with the machine, the commit and every round.
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, totalmem } from 'node:os';
import { join } from 'node:path';
import { type Measurement, medianOf, perObject, type Setting } from './measurement.ts';

export interface Series {
  readonly contender: string;
  readonly setting: Setting;
  readonly rounds: readonly Measurement[];
}

const FOLDER = join(import.meta.dirname, 'results');

/** One line of a measurement. */
export function lineOf(name: string, setting: Setting, measurement: Measurement): string {
  const { workload, latencyMs, isEncrypted } = setting;
  const figures = perObject(measurement, workload);
  const calls = Object.entries(figures.callsPerObject).map(([call, count]) => `${call} ${count}`);
  return (
    `${workload.name}${isEncrypted ? ' TLS' : ''} +${latencyMs} ms  ${name.padEnd(14)} ${figures.objectsPerSecond.toFixed(1)} objects/s, ` +
    `${figures.mibPerSecond.toFixed(0)} MiB/s, CPU ${figures.cpuMsPerObject.toFixed(3)} ms/object ` +
    `${figures.cpuSecondsPerGib.toFixed(2)} s/GiB, peak ${measurement.peakMiB.toFixed(0)} MiB, ` +
    `calls per object: ${calls.join(', ')}`
  );
}

/** The medians as a Markdown table. */
export function tableOf(all: readonly Series[]): string {
  const rows = all.map(({ contender, setting, rounds }) => {
    const median = medianOf(rounds);
    const figures = perObject(median, setting.workload);
    return [
      setting.workload.name,
      setting.isEncrypted ? 'TLS' : 'plain',
      String(setting.latencyMs),
      contender,
      figures.objectsPerSecond.toFixed(1),
      figures.mibPerSecond.toFixed(0),
      figures.cpuMsPerObject.toFixed(3),
      figures.cpuSecondsPerGib.toFixed(2),
      Number.isNaN(median.peakMiB) ? '' : median.peakMiB.toFixed(0),
      Object.values(figures.callsPerObject)
        .reduce((sum, count) => sum + count, 0)
        .toFixed(2),
    ];
  });
  const head = [
    'workload',
    'connection',
    'latency ms',
    'program',
    'objects/s',
    'MiB/s',
    'CPU ms/object',
    'CPU s/GiB',
    'peak MiB',
    'calls/object',
  ];
  return [head, head.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n');
}

/** Keeps all rounds; answers where. */
export function keepResults(all: readonly Series[], atMs: number): string {
  const at = new Date(atMs).toISOString();
  mkdirSync(FOLDER, { recursive: true });
  const path = join(FOLDER, `${at.slice(0, 19).replaceAll(':', '')}.json`);
  const document = { at, commit: commit(), machine: machine(), node: process.version, series: all };
  writeFileSync(path, `${JSON.stringify(document, null, 2)}\n`);
  return path;
}

function machine(): object {
  return {
    cores: availableParallelism(),
    cpu: cpus()[0]?.model ?? 'unknown',
    memoryGib: Math.round(totalmem() / 2 ** 30),
    platform: `${process.platform} ${process.arch}`,
  };
}

function commit(): string {
  const git = (...args: string[]): string =>
    execFileSync('git', args, { cwd: import.meta.dirname, encoding: 'utf8' }).trim();
  try {
    const isClean = git('status', '--porcelain', '--', '../src') === '';
    return git('rev-parse', '--short', 'HEAD') + (isClean ? '' : ' with changes');
  } catch {
    return 'unknown';
  }
}
