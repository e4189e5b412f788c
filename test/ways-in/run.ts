// npm run test:ways-in -- [--objects N] [--seed S] [--way TEXT]: the same objects through every way in, one message of
// ten doubled and one of ten overtaken. Ends with exit code 1 where an object is missing or differs at the target.
import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import { runWay } from './run-way.ts';
import { WAYS } from './ways.ts';

const { values } = parseArgs({
  options: {
    objects: { type: 'string', default: '1000' },
    seed: { type: 'string' },
    way: { type: 'string', default: '' },
  },
});
const seed = values.seed === undefined ? randomInt(1_000_000_000) : Number(values.seed);
const tell = (line: string): void => void process.stdout.write(`${line}\n`);
tell(`Seed ${seed}, ${values.objects} objects`);
for (const way of WAYS.filter(({ name }) => name.includes(values.way))) {
  const report = await runWay(way, Number(values.objects), seed);
  const { equal, differences, seconds, deadLetters, duplicated, reordered } = report;
  const troubles = way.isThroughQueue ? `, ${duplicated} doubled, ${reordered} overtaken` : '';
  tell(`${way.name}: ${equal} equal, ${differences.length} differ, ${seconds.toFixed(1)} s${troubles}`);
  for (const { key, what } of differences.slice(0, 5)) tell(`  ${key}: ${what}`);
  if (deadLetters > 0) tell(`  ${deadLetters} dead letters`);
  if (differences.length > 0 || deadLetters > 0) process.exitCode = 1;
}
