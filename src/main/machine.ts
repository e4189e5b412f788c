// What this process and its machine tell the configuration: variables, the .env file, files, memory, terminal.
import { readFileSync } from 'node:fs';
import { totalmem } from 'node:os';

/** Read at each call; nothing is kept. Never throws: a `.env` that cannot be read is a fact like the others. */
export function readMachine() {
  return {
    env: process.env,
    ...readEnvFile(),
    readFile: (path: string) => readFileSync(path, 'utf8'),
    // A container's limit; 0 or more than the machine has where there is none.
    memoryBytes: Math.min(process.constrainedMemory() || totalmem(), totalmem()),
    maxOpenFiles: readMaxOpenFiles(),
    hasWebIdentity: (process.env['AWS_WEB_IDENTITY_TOKEN_FILE'] ?? '') !== '',
    isTerminal: process.stdout.isTTY,
  };
}

/** Null on systems that have no such file. */
function readMaxOpenFiles(): number | null {
  try {
    const limits = readFileSync('/proc/self/limits', 'utf8');
    const soft = /^Max open files\s+(\d+)/m.exec(limits)?.[1];
    return soft === undefined ? null : Number(soft);
  } catch {
    return null;
  }
}

/** The text of `.env`, or null and the system's code where it is there and cannot be read. */
function readEnvFile(): { readonly envFileText: string | null; readonly envFileFault: string | null } {
  try {
    return { envFileText: readFileSync('.env', 'utf8'), envFileFault: null };
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
    return { envFileText: null, envFileFault: code === 'ENOENT' ? null : code };
  }
}
