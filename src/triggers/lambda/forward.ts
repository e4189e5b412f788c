// The Lambda function that only forwards: one invocation, one POST of the event as it came, and success only where the
// service says that it is kept. Everything else is thrown, so that AWS delivers again: retries live with AWS alone.
import { answerFailure, deliveryFailure, ForwardError, lossFailure } from './forward-failure.ts';
import type { ForwarderSettings } from './forwarder-settings.ts';
import { type DocumentAnswer, type SendDocument, sendDocument } from './send-document.ts';

/** The part of Lambda's context that is used. */
export interface InvocationContext {
  readonly awsRequestId?: string;
  getRemainingTimeInMillis?(): number;
}

/** One line of the log: small facts, never a key. */
export type ForwardLogLine = Readonly<Record<string, string | number | null>>;

/** What the service did with the event; `transfers` counts the transfers that it queued. */
export interface ForwardedEvent {
  readonly accepted: number;
  readonly ignored: number;
  readonly quarantined: number;
  readonly transfers: number;
}

export interface ForwarderParts extends ForwarderSettings {
  readonly log: (line: ForwardLogLine) => void;
  /** Replaced in tests only. */
  readonly send?: SendDocument;
}

/** Time that the function keeps for itself, to throw its own error before Lambda ends it without one. */
const RESERVE_MS = 500;

/**
 * Builds the handler. It takes whatever Lambda passes (S3, SNS, SQS, EventBridge) and resolves once the service has
 * answered 202 and accounted for all of it; an SQS batch succeeds or fails as a whole. Rejects with a ForwardError
 * that names status, reason and remedy.
 */
export function createForwarder(
  parts: ForwarderParts,
): (event: unknown, context: InvocationContext) => Promise<ForwardedEvent> {
  return async (event, context) => {
    const startedMs = performance.now();
    const facts = { requestId: context.awsRequestId ?? null, records: countRecords(event) };
    const durationMs = (): number => Math.round(performance.now() - startedMs);
    try {
      const { status, ...forwarded } = await deliver(parts, event, context);
      const level = forwarded.quarantined > 0 ? 'warn' : 'info';
      parts.log({
        level,
        message: 'event forwarded',
        ...facts,
        status,
        durationMs: durationMs(),
        ...forwarded,
      });
      return forwarded;
    } catch (error) {
      const failure = withoutSecret(error, parts.apiKey);
      const { status, message: reason } = failure;
      parts.log({
        level: 'error',
        message: 'event not forwarded',
        ...facts,
        status,
        durationMs: durationMs(),
        reason,
      });
      throw failure;
    }
  };
}

async function deliver(
  parts: ForwarderParts,
  event: unknown,
  context: InvocationContext,
): Promise<ForwardedEvent & { readonly status: number }> {
  const { url, apiKey, send = sendDocument } = parts;
  if (event === undefined)
    throw new ForwardError('The function was called without an event: pass one.', { status: null });
  const remainingMs = context.getRemainingTimeInMillis?.() ?? Number.POSITIVE_INFINITY;
  const timeoutMs = Math.min(parts.timeoutMs, Math.floor(remainingMs - RESERVE_MS));
  if (timeoutMs <= 0)
    throw new ForwardError(
      `The function has ${Math.max(0, Math.round(remainingMs))} ms left, too little to send: give it a timeout of 15 s or more.`,
      { status: null },
    );
  const headers = {
    'content-type': 'application/json',
    accept: 'application/json',
    ...(apiKey === null ? {} : { authorization: `Bearer ${apiKey}` }),
    ...(context.awsRequestId === undefined ? {} : { 'x-request-id': context.awsRequestId }),
  };
  const body = JSON.stringify(event);
  let answer: DocumentAnswer;
  try {
    answer = await send({ url, headers, body, timeoutMs });
  } catch (error) {
    throw deliveryFailure(url, error);
  }
  const forwarded = answer.status === 202 ? readReceipt(answer.body) : null;
  if (forwarded === null) throw answerFailure(url, answer);
  const told = forwarded.accepted + forwarded.ignored + forwarded.quarantined;
  const least = leastChanges(event);
  if (told < least) throw lossFailure(url, told, least);
  return { status: answer.status, ...forwarded };
}

/** The intake's own answer; null where the body is anything else, whatever its status says. */
function readReceipt(body: string): ForwardedEvent | null {
  let receipt: unknown;
  try {
    receipt = JSON.parse(body);
  } catch {
    return null;
  }
  if (typeof receipt !== 'object' || receipt === null) return null;
  const told = new Map<string, unknown>(Object.entries(receipt));
  const [accepted, ignored, quarantined] = ['accepted', 'ignored', 'quarantined'].map((name) =>
    told.get(name),
  );
  const transfers = told.get('transfers');
  if (!isCount(accepted) || !isCount(ignored) || !isCount(quarantined) || !Array.isArray(transfers))
    return null;
  return { accepted, ignored, quarantined, transfers: transfers.length };
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

function countRecords(event: unknown): number {
  return recordsOf(event)?.length ?? 1;
}

/** The records of an event that is a list of them; null for any other event. */
function recordsOf(event: unknown): readonly unknown[] | null {
  const records: unknown =
    typeof event === 'object' && event !== null && 'Records' in event ? event.Records : null;
  return Array.isArray(records) ? records : null;
}

/**
 * How many changes an answer has to account for at the least. Each record of S3 is one; a delivery of SNS, SQS or
 * EventBridge wraps a document of any number, so all that is certain is that something came. A list without records
 * holds nothing to lose.
 */
function leastChanges(event: unknown): number {
  const records = recordsOf(event);
  if (records === null) return 1;
  if (records.length === 0) return 0;
  return Math.max(1, records.filter(isS3Record).length);
}

function isS3Record(record: unknown): boolean {
  return (
    typeof record === 'object' &&
    record !== null &&
    'eventSource' in record &&
    record.eventSource === 'aws:s3'
  );
}

/** A service may repeat what it was sent: the key must not reach the log by that way either. */
function withoutSecret(error: unknown, apiKey: string | null): ForwardError {
  const failure = error instanceof ForwardError ? error : new ForwardError(String(error), { status: null });
  if (apiKey === null || !failure.message.includes(apiKey)) return failure;
  return new ForwardError(failure.message.replaceAll(apiKey, '[secret]'), { status: failure.status });
}
