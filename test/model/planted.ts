// What a planted mistake may change: one port of a process or of a service, the decision, a setting. The product's
// code stays as it is.
import type { Rule } from '../../src/core/rule.ts';
import type { decide } from '../../src/core/decide.ts';
import type { ObjectSource } from '../../src/core/object-source.ts';
import type { ObjectTarget } from '../../src/core/object-target.ts';
import type { MessageQueue } from '../../src/core/message-queue.ts';
import type { RecheckPolicy } from '../../src/replication/recheck.ts';
import type { TransferQueue } from '../../src/core/transfer-queue.ts';
import type { MemorySource } from '../../src/stores/memory/memory-source.ts';
import type { MemoryTarget } from '../../src/stores/memory/memory-target.ts';

/** The ports of one process, as its worker and its intake use them. */
export interface Ports {
  readonly source: ObjectSource;
  readonly target: ObjectTarget;
  readonly queue: TransferQueue;
}

/** What lies behind the ports. */
export interface Memories {
  readonly source: MemorySource;
  readonly target: MemoryTarget;
}

/** The ports of one worker without a database. */
export interface WorkerPorts {
  readonly source: ObjectSource;
  readonly target: ObjectTarget;
  readonly messages: MessageQueue;
}

/** `queue`: through a queue of transfers. `stateless`: straight from the messages of a queue. */
export type Mode = 'queue' | 'stateless';

export interface Planted {
  readonly name: string;
  /** The mode that it is planted in; `queue` by default. */
  readonly mode?: Mode;
  /** The safeguard of the protocol that it takes away, in words. */
  readonly what: string;
  /** Replaces the stores behind the network of one process: what it does happens at once. */
  readonly stores?: (stores: Pick<Ports, 'source' | 'target'>) => Pick<Ports, 'source' | 'target'>;
  /** Replaces the queue of a service. */
  readonly queue?: (queue: TransferQueue, memories: Memories) => TransferQueue;
  /** Replaces the ports in front of the network of one process: what it calls takes its time. */
  readonly process?: (ports: Ports, memories: Memories) => Ports;
  /**
   * The same of one worker without a database. `onGivenUp` takes a listener for the keys whose messages the worker
   * holds no more although they are not done.
   */
  readonly worker?: (ports: WorkerPorts, onGivenUp: (listener: (key: string) => void) => void) => WorkerPorts;
  /** Replaces what says after which effects the source is looked at again. */
  readonly recheck?: (learned: RecheckPolicy) => RecheckPolicy;
  readonly decide?: typeof decide;
  /** Replaces the rule that a process works with. */
  readonly rule?: (rule: Rule) => Rule;
  /** What was written down before is unknown to a process that starts. */
  readonly forgetsNotes?: boolean;
  readonly maxAttempts?: number;
}
