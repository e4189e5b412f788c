// The entry of the replicating Lambda function: its environment, its log, and what it remembers between invocations.
import { formatProblems } from '../config/problem.ts';
import { loadShellConfig } from '../config/shell-config.ts';
import { openReplicateFunction } from '../composition/open-replicate-function.ts';
import { resolveSecrets } from '../composition/resolve-secrets.ts';
import type { InvocationContext } from '../triggers/lambda/post-to-intake.ts';
import { ReplicateError } from '../triggers/lambda/replicate.ts';
import { readMachine } from './machine.ts';

type Handler = Awaited<ReturnType<typeof openReplicateFunction>>;

// Begun while Lambda starts the process, which has more of a processor then than during a call.
let opening: Promise<Handler> | null = open();
// What went wrong is told by the first call.
opening.catch(() => {});

/**
 * Lambda's handler. What was opened stays open between invocations. Where that failed it is tried again with the next
 * one, so that wrong settings fail each invocation, with all of them in the error.
 */
export async function handler(event: unknown, context: InvocationContext): ReturnType<Handler> {
  opening ??= open();
  let opened: Handler;
  try {
    opened = await opening;
  } catch (error) {
    opening = null;
    throw error;
  }
  return opened(event, context);
}

async function open(): Promise<Handler> {
  const megabytes = Number(process.env['AWS_LAMBDA_FUNCTION_MEMORY_SIZE']);
  const machine = readMachine();
  const loaded = loadShellConfig(
    await resolveSecrets({
      ...machine,
      memoryBytes: megabytes > 0 ? megabytes * 1024 * 1024 : machine.memoryBytes,
      isTerminal: false,
    }),
  );
  if (loaded.kind === 'invalid') throw new ReplicateError(formatProblems(loaded.problems));
  return openReplicateFunction({ ...loaded, write: (text) => process.stdout.write(text) });
}
