// What the machine adds to the settings, handed in by whoever runs the process.

/** What the machine adds to the settings. `readFile` answers the text of a file or throws. */
export interface MachineFacts {
  readonly readFile: (path: string) => string;
  /** Memory of the machine or container, in bytes. */
  readonly memoryBytes: number;
  /** Files and connections that this process may have open; null or left out where nobody tells. */
  readonly maxOpenFiles?: number | null;
  /** True where the platform gives this process a web identity (AWS_WEB_IDENTITY_TOKEN_FILE). */
  readonly hasWebIdentity?: boolean;
  /** True where the log goes to a terminal. */
  readonly isTerminal: boolean;
}

const MIN_MEMORY_BYTES = 64 * 1024 * 1024;

/** The memory budget where none is set. */
export function ownMemoryBytes(facts: MachineFacts): number {
  return Math.max(MIN_MEMORY_BYTES, Math.floor(facts.memoryBytes / 4));
}
