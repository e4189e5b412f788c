// npm run bench -- [--workload 4k,1g] [--latency 0,30] [--against sdks,rclone] [--rounds N] [--objects N] [--keep]
//                  [--tls both] [--client own,undici] [--profile] [--verify]
// The whole product against stand-ins in a process of their own, next to what a user would pick instead. Rounds are
// interleaved, so that a busy minute of the machine falls on all of them. See README.md beside this file.
import { parseArgs } from 'node:util';
import { product } from './contenders/product.ts';
import { curl } from './contenders/curl.ts';
import { python } from './contenders/python.ts';
import { rclone } from './contenders/rclone.ts';
import { sdks } from './contenders/sdks.ts';
import type { Contender, Measurement, Setting } from './measurement.ts';
import { keepResults, lineOf, type Series, tableOf } from './results.ts';
import { verifyRun } from './verify-run.ts';
import { workloadNamed } from './workloads.ts';

const { values } = parseArgs({
  options: {
    workload: { type: 'string', default: '4k' },
    latency: { type: 'string', default: '0' },
    tls: { type: 'string', default: 'no' },
    against: { type: 'string', default: '' },
    client: { type: 'string', default: 'own' },
    rounds: { type: 'string', default: '3' },
    objects: { type: 'string' },
    concurrency: { type: 'string' },
    database: { type: 'string' },
    keep: { type: 'boolean', default: false },
    profile: { type: 'boolean', default: false },
    verify: { type: 'boolean', default: false },
    'without-product': { type: 'boolean', default: false },
  },
});

const OTHERS: Readonly<Record<string, () => Contender>> = { sdks, rclone, python, curl };

function listOf(text: string): string[] {
  return text.split(',').filter((part) => part !== '');
}

async function chooseContenders(): Promise<Contender[]> {
  const products = listOf(values.client).map((client) =>
    product({
      profileFolder: values.profile ? process.cwd() : null,
      databaseUrl: values.database ?? null,
      findsConcurrency: values.concurrency === 'own',
      client,
    }),
  );
  const chosen = values['without-product'] ? [] : products;
  for (const name of listOf(values.against)) {
    const make = OTHERS[name];
    if (make === undefined)
      throw new Error(`--against ${name} is not known: ${Object.keys(OTHERS).join(', ')}`);
    const contender = make();
    const reason = await contender.whyNot();
    if (reason === null) chosen.push(contender);
    else process.stdout.write(`${contender.name} is left out: ${reason}\n`);
  }
  return chosen;
}

function encryptions(): boolean[] {
  const ways = { no: [false], yes: [true], both: [false, true] }[values.tls];
  if (ways === undefined) throw new Error(`--tls ${values.tls} is not known: no, yes, both`);
  return ways;
}

function settings(): Setting[] {
  const objectCount = values.objects === undefined ? null : Number(values.objects);
  return listOf(values.workload).flatMap((name) => {
    const workload = workloadNamed(name, objectCount);
    const isGiven = values.concurrency !== undefined && values.concurrency !== 'own';
    const concurrency = isGiven ? Number(values.concurrency) : workload.concurrency;
    return listOf(values.latency).flatMap((ms) =>
      encryptions().map((isEncrypted) => ({
        workload: { ...workload, concurrency },
        latencyMs: Number(ms),
        isEncrypted,
      })),
    );
  });
}

async function measureAll(): Promise<void> {
  const contenders = await chooseContenders();
  const all: Series[] = [];
  for (const setting of settings()) {
    const able = contenders.filter(({ takes }) => takes?.(setting.workload) ?? true);
    const rounds = new Map<Contender, Measurement[]>(able.map((contender) => [contender, []]));
    for (let round = 0; round < Number(values.rounds); round += 1) {
      for (const [contender, measured] of rounds) {
        const measurement = await contender.measure(setting);
        measured.push(measurement);
        process.stdout.write(`${lineOf(contender.name, setting, measurement)}\n`);
      }
    }
    for (const [contender, measured] of rounds)
      all.push({ contender: contender.name, setting, rounds: measured });
  }
  process.stdout.write(`\nMedians of ${values.rounds}:\n\n${tableOf(all)}\n`);
  if (values.keep) process.stdout.write(`\nkept in ${keepResults(all, Date.now())}\n`);
}

await (values.verify ? verifyRun() : measureAll());
