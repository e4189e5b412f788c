// Sends alerts to one address by HTTP POST. The address is a secret: of it only scheme, host and port are ever shown,
// and nothing of what the receiver answers but its status.
import { Agent, request } from 'undici';
import type { AlertDelivery, AlertMessage, AlertSink } from '../core/alert.ts';
import { readRetryAfterMs } from '../core/backoff.ts';
import type { Clock } from '../core/clock.ts';

const TIMEOUT_MS = 10_000;

/** Opens the way to the receiver. `address` is the whole URL. `timeoutMs`: for one delivery, the connection included. */
export function openAlertWebhook(options: {
  readonly address: string;
  readonly version: string;
  readonly clock: Clock;
  readonly timeoutMs?: number;
}): AlertSink & { close(): Promise<void> } {
  const { address, version, clock, timeoutMs = TIMEOUT_MS } = options;
  const { origin } = new URL(address);
  const agent = new Agent({ connections: 1, pipelining: 1 });
  const send = async (message: AlertMessage, signal: AbortSignal): Promise<AlertDelivery> => {
    try {
      const answer = await request(address, {
        dispatcher: agent,
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          'user-agent': `cross-cloud-replicator/${version}`,
          'idempotency-key': message.id.replaceAll(/[^\x20-\x7e]/g, '?'),
        },
        body: JSON.stringify(message),
        signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
      });
      const { statusCode, headers } = answer;
      // Not read: it says nothing that helps, and could be anything. The connection goes with it.
      answer.body.on('error', () => {});
      answer.body.destroy();
      if (statusCode >= 200 && statusCode < 300) return { kind: 'delivered' };
      const retryAfter = headers['retry-after'];
      return {
        kind: 'failed',
        reason: `${origin} answered ${statusCode}`,
        retryAfterMs: readRetryAfterMs(typeof retryAfter === 'string' ? retryAfter : null, clock.nowMs()),
      };
    } catch (error) {
      return { kind: 'failed', reason: `${origin}: ${whatFailed(error)}`, retryAfterMs: null };
    }
  };
  return { origin, send, close: () => agent.destroy() };
}

/** The kind of the error, never its message: that may hold the address. */
function whatFailed(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown error';
  if (error.name === 'TimeoutError') return 'no answer in time';
  const { code } = error as { readonly code?: unknown };
  return typeof code === 'string' ? code : error.name;
}
