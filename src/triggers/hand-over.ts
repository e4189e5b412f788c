// Hands objects over to a running service: one POST of a notification to its intake, and done only where the service
// says that it is kept. Which answer is a fault of the moment and which needs a person is decided here.
import { randomUUID } from 'node:crypto';
import { Fault } from '../core/faults.ts';
import type { HandOver } from '../replication/stateless/hand-over.ts';
import { field, parseJson } from './json-value.ts';
import { type DocumentAnswer, type SendDocument, sendDocument } from './lambda/send-document.ts';
import { signWebhook } from './webhook-signature.ts';

const INTAKE_PATH = '/v1/events';
const TIMEOUT_MS = 5_000;
/** As much of an answer as says what is wrong. */
const TOLD_CHARS = 300;

export interface HandOverOptions {
  /** The address of the service, without the path of the intake. */
  readonly url: string;
  /** A key of the scope write; null where the service is called without one. */
  readonly apiKey: { reveal(): string } | null;
  /** Signs the calls, and no key is sent; left out or null where nothing is signed. */
  readonly webhookSecret?: { reveal(): Uint8Array } | null;
  /** Replaced in tests only. */
  readonly send?: SendDocument;
}

/** The service at this address as the one that takes objects over. */
export function openHandOver(options: HandOverOptions): HandOver {
  const { url, send = sendDocument } = options;
  const intake = `${url.replace(/\/+$/, '')}${INTAKE_PATH}`;
  return async (document, signal) => {
    signal.throwIfAborted();
    const headers = {
      'content-type': 'application/json',
      accept: 'application/json',
      ...proofOf(options, document),
    };
    let answer: DocumentAnswer;
    try {
      answer = await send({ url: intake, headers, body: document, timeoutMs: TIMEOUT_MS });
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new Fault('service_unreachable', `${intake} did not answer: ${reason}`, { cause: error });
    }
    judge(intake, answer);
  };
}

function proofOf({ apiKey, webhookSecret = null }: HandOverOptions, body: string): Record<string, string> {
  if (webhookSecret === null) return apiKey === null ? {} : { authorization: `Bearer ${apiKey.reveal()}` };
  // Each is a delivery of its own, also of the same object: whoever is told twice looks twice.
  const signed = { id: randomUUID(), timestampSec: Math.floor(Date.now() / 1000), body };
  return { ...signWebhook(signed, webhookSecret.reveal()) };
}

function judge(intake: string, { status, body }: DocumentAnswer): void {
  if (status === 202) {
    const answer = parseJson(body);
    const accepted = 'value' in answer ? field(answer.value, 'accepted') : undefined;
    if (accepted === 1) return;
    const reason =
      typeof accepted === 'number'
        ? 'took the notification and no object of it: no rule there covers it'
        : 'answered 202 with something that is not the answer of a service';
    throw new Fault('service_refused', `${intake} ${reason}`, { details: { status } });
  }
  const isPassing = status === 429 || status === 408 || status >= 500;
  throw new Fault(
    isPassing ? 'service_unreachable' : 'service_refused',
    `${intake} answered ${status}: ${body.slice(0, TOLD_CHARS)}`,
    { details: { status } },
  );
}
