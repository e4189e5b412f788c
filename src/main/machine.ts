// What this process and its machine tell the configuration: variables, the .env file, files, memory, terminal.
import { existsSync, readFileSync } from 'node:fs';
import { totalmem } from 'node:os';

/** Read at each call; nothing is kept. */
export function readMachine() {
  return {
    env: process.env,
    envFileText: existsSync('.env') ? readFileSync('.env', 'utf8') : null,
    readFile: (path: string) => readFileSync(path, 'utf8'),
    // A container's limit; 0 or more than the machine has where there is none.
    memoryBytes: Math.min(process.constrainedMemory() || totalmem(), totalmem()),
    isTerminal: process.stdout.isTTY,
  };
}
