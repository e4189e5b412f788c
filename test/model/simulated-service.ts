// What a run needs of the service it watches, whichever way that works: through a queue of transfers, or straight from
// the messages of a queue.
import type { Rule } from '../../src/core/rule.ts';
import type { AcceptChanges } from '../../src/replication/accept-change.ts';
import type { Process } from './scheduler.ts';

export interface SimulatedService {
  readonly ledger: {
    /** True while work is neither done nor waiting for a person. */
    readonly hasPending: boolean;
    status(key: string): 'pending' | 'parked' | 'done';
  };
  /** Starts one more process. */
  start(): void;
  /** Takes changes durably; null where nobody is there to take them. */
  anyIntake(): AcceptChanges | null;
  /** A process dies at whatever it is waiting for; another one starts later. Any process, unless one is named. */
  crash(named?: Process | null): void;
  /** A process stands still, maybe for longer than a lease, while what it has sent goes on. */
  pause(named?: Process | null): void;
  /** A process is told to stop; another one starts when it has. */
  stop(): void;
  /** The wall clock of a process's machine, or of the queue's, is set to another time. */
  jumpClock(): void;
  /** Somebody has one transfer run again, or everything that waits for a person. */
  redrive(what: 'one' | 'class'): Promise<void>;
  /** A person decides about the deletes that the brake holds. Resolves with how many there were. */
  decideHeld(): Promise<number>;
  /** What is done is forgotten. */
  prune(): Promise<void>;
  /** Processes that run with another rule than this one die, and start again with it. */
  restartUnless(rule: Rule): void;
  /** The run is over. */
  end(): Promise<void>;
}
