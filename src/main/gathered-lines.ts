// Finished log lines on their way out: those that are made side by side, as the ends of all transfers of one commit are,
// go out in one write, because a write to a pipe or a file is a system call that the process waits for. They are out
// before whatever follows from what they tell, an answer to a caller for one.

/** So much text is not held back. */
const MAX_HELD_CHARACTERS = 64 * 1024;

export interface GatheredLines {
  /** Takes finished text, line break included. */
  readonly write: (text: string) => void;
  /** Lets go of what is held, now: for the end of the process. */
  readonly flush: () => void;
}

/** `writeOut` gets the lines in their order. What is held when the process is killed was never written. */
export function gatherLines(writeOut: (text: string) => unknown): GatheredLines {
  let held = '';
  let isDue = false;
  const flush = (): void => {
    isDue = false;
    const text = held;
    held = '';
    if (text !== '') void writeOut(text);
  };
  return {
    write: (text) => {
      held += text;
      if (held.length >= MAX_HELD_CHARACTERS) flush();
      else if (!isDue) {
        isDue = true;
        // Behind everything that goes on at this moment for the same reason, and before what follows from it.
        queueMicrotask(flush);
      }
    },
    flush,
  };
}
