// The metrics of shells that work straight from messages. Labels take values of closed tables only.
import { Counter, type Registry } from 'prom-client';
import type { FaultCode } from '../core/faults.ts';

export interface MessageMetrics {
  lookAgainSent(reason: string): void;
  transferLeft(fault: FaultCode): void;
  handedOver(): void;
  recordLeft(): void;
}

/** Registers them. */
export function createMessageMetrics(registry: Registry): MessageMetrics {
  const registers = [registry];
  const again = new Counter({
    name: 'replicator_look_again_messages_total',
    help: 'Messages sent to the queue so that an object is looked at once more, by reason.',
    labelNames: ['reason'],
    registers,
  });
  const left = new Counter({
    name: 'replicator_left_transfers_total',
    help: 'Objects whose message stays in the queue for its dead-letter policy, by fault; counted at each receipt.',
    labelNames: ['fault'],
    registers,
  });
  const handedOver = new Counter({
    name: 'replicator_handed_over_total',
    help: 'Objects that the service took over.',
    registers,
  });
  const records = new Counter({
    name: 'replicator_left_records_total',
    help: 'Records that could not be understood; their messages stay in the queue. Counted at each receipt.',
    registers,
  });
  return {
    lookAgainSent: (reason) => again.inc({ reason }),
    transferLeft: (fault) => left.inc({ fault }),
    handedOver: () => handedOver.inc(),
    recordLeft: () => records.inc(),
  };
}
