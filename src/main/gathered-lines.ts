// Finished log lines on their way out: those of one turn of the event loop go out in one write, because a write to a
// pipe or a file is a system call that the process waits for.

/** So much text is not held back for the end of the turn. */
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
  let turn: NodeJS.Immediate | null = null;
  const flush = (): void => {
    if (turn !== null) clearImmediate(turn);
    turn = null;
    const text = held;
    held = '';
    if (text !== '') void writeOut(text);
  };
  return {
    write: (text) => {
      held += text;
      if (held.length >= MAX_HELD_CHARACTERS) flush();
      else turn ??= setImmediate(flush);
    },
    flush,
  };
}
