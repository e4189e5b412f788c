// The one place where the API hands changes to the intake: what cannot be stored durably is refused, whole, with a
// time to come back.
import type { ParsedChanges } from '../core/change.ts';
import type { FastifyRequest } from 'fastify';
import type { IntakeAnswer } from '../replication/accept-change.ts';
import { refuseIf } from './admission.ts';
import type { RouteDeps } from './http-deps.ts';
import { queueUnavailable } from './problem.ts';

/**
 * Resolves when everything is stored. Throws `overloaded` where too much waits for the disk already, and
 * `queue_unavailable` where the queue cannot store; then nothing was taken.
 */
export async function acceptDurably(
  deps: Pick<RouteDeps, 'acceptChanges' | 'gate' | 'quota'>,
  request: Pick<FastifyRequest, 'bodyHold' | 'caller'>,
  parsed: ParsedChanges,
): Promise<IntakeAnswer> {
  const { gate, quota } = deps;
  const { caller } = request;
  if (caller === null) throw new Error('Changes are taken of nobody who is not known');
  const count = parsed.changes.length + parsed.malformed.length;
  refuseIf(gate.holdChanges(count));
  quota.charge(caller.id, count + parsed.ignored.length);
  // The caller may hang up before the disk has answered; what waits for it stays in memory until then.
  request.bodyHold?.retain();
  try {
    return await deps.acceptChanges(parsed, caller.deliveryId);
  } catch (cause) {
    gate.queueFailed(cause);
    throw queueUnavailable('Nothing of this request was accepted.', cause);
  } finally {
    gate.changesStored(count);
    request.bodyHold?.release();
  }
}
