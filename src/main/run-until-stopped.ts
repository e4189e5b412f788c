// A process that runs until a signal: what is opened, what the signal closes, and the exit code.
import { Fault, FAULTS } from '../core/faults.ts';

/** Opens it, waits for SIGTERM or SIGINT, closes it. Sets the exit code 1, with the reason told, where that fails. */
export async function runUntilStopped(
  name: string,
  open: () => Promise<{ close(): Promise<void> }>,
): Promise<void> {
  const stopped = new Promise<void>((resolve) => {
    process.once('SIGTERM', resolve);
    process.once('SIGINT', resolve);
  });
  // Nothing else may hold the process while it only waits for an answer.
  const alive = setInterval(() => {}, 60_000);
  try {
    const opened = await open();
    await stopped;
    await opened.close();
  } catch (error) {
    process.stderr.write(`The ${name} cannot run: ${whatFailed(error)}\n`);
    process.exitCode = 1;
  } finally {
    clearInterval(alive);
  }
}

function whatFailed(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error instanceof Fault)
    // The remedies of the others count on a process that asks again.
    return error.disposition === 'park'
      ? `${error.message}\n  fix: ${FAULTS[error.code].remedy}`
      : error.message;
  const isTaken = 'code' in error && error.code === 'EADDRINUSE';
  return isTaken ? `${error.message}. Another process listens there: stop it, or set PORT` : error.message;
}
