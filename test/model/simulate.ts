// npm run simulate -- --seeds N [--seed S] [--plant NAME] [--planted]: searches for violations of the invariants in
// a simulated world; see search.ts. A failing seed prints its history, shortened, and is run again with --seed.
import { parseArgs } from 'node:util';
import { searchSeeds, shortestHistory } from './search.ts';

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '1000' },
    seed: { type: 'string' },
  },
});

const firstSeed = values.seed === undefined ? Date.now() % 1_000_000_000 : Number(values.seed);
const seedCount = values.seed === undefined ? Number(values.seeds) : 1;
const startedAtMs = performance.now();
const result = await searchSeeds({ firstSeed, seedCount, planted: null });
const seconds = ((performance.now() - startedAtMs) / 1000).toFixed(1);
console.log(
  `Seeds ${firstSeed} to ${firstSeed + result.seedCount - 1}: ${result.seedCount} runs, ${result.stepCount} steps, ${seconds} s`,
);
if (result.failedSeed !== null) {
  const { history, violation } = await shortestHistory(result.failedSeed, null);
  console.log(`Seed ${result.failedSeed} violates ${violation?.message}\n${history.join('\n')}`);
  process.exitCode = 1;
}
