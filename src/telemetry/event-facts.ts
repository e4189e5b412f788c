// What log lines about a transfer and about a fault have in common.
import { FAULTS, type Fault } from '../core/faults.ts';
import type { TransferRef } from '../core/happenings.ts';

/** The fields by which a transfer is found in the log. */
export function factsOf({ transferId, ruleName, source, target }: TransferRef) {
  return {
    transferId,
    rule: ruleName,
    bucket: source.bucket,
    key: source.key,
    target: `${target.bucket}/${target.key}`,
  };
}

/** The fields that say what went wrong. */
export function factsOfFault(fault: Fault) {
  const { code, message, details } = fault;
  return {
    fault: code,
    title: FAULTS[code].title,
    reason: message,
    ...(Object.keys(details).length > 0 ? { details } : {}),
  };
}
