// One worker process without a database: configuration in, signals in, exit code out. `replicator worker --from sqs`.
import packageJson from '../../package.json' with { type: 'json' };
import { formatProblems, formatWarnings } from '../config/problem.ts';
import { loadShellConfig } from '../config/shell-config.ts';
import { openStatelessWorker } from '../open-stateless-worker.ts';
import { resolveSecrets } from '../resolve-secrets.ts';
import { readMachine } from './machine.ts';
import { runUntilStopped } from './run-until-stopped.ts';

const NO_QUEUE = {
  setting: 'SQS_QUEUE_URL',
  found: null,
  reason: 'is not set, and the worker takes its messages from there',
  fix: 'set it to the whole address of the queue, such as https://sqs.eu-central-1.amazonaws.com/111122223333/s3-events',
};

/** Runs the worker until a signal; sets the exit code: 2 for a wrong configuration, 1 where it cannot start. */
export async function runWorker(): Promise<void> {
  const loaded = loadShellConfig(await resolveSecrets(readMachine()));
  if (loaded.warnings.length > 0) process.stderr.write(`${formatWarnings(loaded.warnings)}\n`);
  const problems = loaded.kind === 'invalid' ? loaded.problems : [];
  const queue = loaded.kind === 'ok' ? loaded.config.intake.sqs : null;
  if (loaded.kind === 'invalid' || queue === null) {
    process.stderr.write(`${formatProblems(problems.length > 0 ? problems : [NO_QUEUE])}\n`);
    process.exitCode = 2;
    return;
  }
  await runUntilStopped('worker', () =>
    openStatelessWorker({
      ...loaded,
      queue,
      version: packageJson.version,
      write: (text) => process.stdout.write(text),
      isColored: process.stdout.isTTY,
    }),
  );
}
