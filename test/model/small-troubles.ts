// What may go wrong in a small world at the moment when a request is on its way.
import type { Arena } from './arena.ts';
import type { Request } from './arena-request.ts';
import type { WorldEvent } from './explorable-world.ts';
import type { Process } from './scheduler.ts';

export type TroubleKind = 'crash' | 'pause' | 'lost' | 'late' | 'stall';

interface TroubleOptions {
  readonly kinds: readonly TroubleKind[];
  readonly arena: Arena;
  /** One trouble less may come. */
  readonly spend: () => void;
  /** `keepsRequests`: what the process has sent stays on its way. */
  readonly crash: (process: Process, keepsRequests: boolean) => void;
  readonly pause: (process: Process) => void;
  /** The next upload of the process stands still in the middle. */
  readonly stall: (process: Process) => void;
}

/** The troubles that may strike this request now. */
export function troublesOf(request: Request, options: TroubleOptions): WorldEvent[] {
  const { arena, spend, crash, pause, stall } = options;
  const { process, op, isEffect, isPerformed } = request;
  const kinds = new Set(options.kinds);
  const events: WorldEvent[] = [];
  const add = (label: string, run: () => Promise<void> | void): void => {
    const counted = (): Promise<void> | void => {
      spend();
      return run();
    };
    events.push({ label: `${label} (${process.name} ${op})`, run: counted });
  };
  if (kinds.has('crash')) {
    add('crash', () => crash(process, false));
    if (isEffect && !isPerformed) add('crash, sent', () => crash(process, true));
  }
  if (isPerformed) return events;
  if (kinds.has('pause') && op !== 'claim') add('pause', () => pause(process));
  if (kinds.has('lost') && isEffect) add('lost', () => arena.loseAnswer(request));
  if (kinds.has('late') && isEffect) add('late', () => arena.beLate(request));
  if (kinds.has('stall') && op === 'openUpload')
    add('stall', () => {
      stall(process);
      return arena.arrive(request);
    });
  return events;
}
