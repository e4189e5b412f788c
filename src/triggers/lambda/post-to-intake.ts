// One document posted to the service, with the sender's proof, and what the answer is worth: taken, or a ForwardError
// that names status, reason and remedy.
import { Buffer } from 'node:buffer';
import { randomUUID } from 'node:crypto';
import { signWebhook } from '../webhook-signature.ts';
import { answerFailure, deliveryFailure, ForwardError, lossFailure } from './forward-failure.ts';
import { type DocumentAnswer, type SendDocument, sendDocument } from './send-document.ts';

/** The part of Lambda's context that is used. */
export interface InvocationContext {
  readonly awsRequestId?: string;
  getRemainingTimeInMillis?(): number;
}

/** How the service knows the sender: by a bearer key, by a signature of Standard Webhooks, or not at all. */
export type SenderProof =
  | { readonly kind: 'none' }
  | { readonly kind: 'key'; readonly apiKey: string }
  | { readonly kind: 'signature'; readonly secret: Uint8Array };

/** The service that takes the documents. */
export interface Intake {
  /** The address of `/v1/events` itself. */
  readonly url: string;
  readonly proof: SenderProof;
  readonly timeoutMs: number;
  /** Replaced in tests only. */
  readonly send?: SendDocument;
}

/** What the service did with a document; `transfers` counts the transfers that it queued. */
export interface Taken {
  readonly accepted: number;
  readonly ignored: number;
  readonly quarantined: number;
  readonly transfers: number;
}

/** The largest document that the service reads. */
const MAX_DOCUMENT_BYTES = 8 * 1024 * 1024;
/** Time that the function keeps for itself, to throw its own error before Lambda ends it without one. */
const RESERVE_MS = 500;

/**
 * Posts `document` and resolves once the service has answered 202 and accounted for `least` changes of it. `part`
 * tells the documents of one invocation apart: a signed document is known to the service by the invocation and its
 * part, so that the same one sent again is no new one. Throws a ForwardError.
 */
export async function postToIntake(
  intake: Intake,
  request: { readonly document: unknown; readonly least: number; readonly part: string },
  context: InvocationContext,
): Promise<Taken> {
  const { url, send = sendDocument } = intake;
  const timeoutMs = timeLeftMs(intake, context);
  const body = JSON.stringify(request.document);
  const sizeBytes = Buffer.byteLength(body);
  if (sizeBytes > MAX_DOCUMENT_BYTES)
    throw new ForwardError(
      `The document has ${sizeBytes} bytes, and the service reads ${MAX_DOCUMENT_BYTES}. It was not sent: lower the batch size of the function's trigger.`,
      { status: 413 },
    );
  const headers = {
    'content-type': 'application/json',
    accept: 'application/json',
    ...proofHeaders(intake.proof, { body, part: request.part, context }),
    ...(context.awsRequestId === undefined ? {} : { 'x-request-id': context.awsRequestId }),
  };
  let answer: DocumentAnswer;
  try {
    answer = await send({ url, headers, body, timeoutMs });
  } catch (error) {
    throw withoutProof(deliveryFailure(url, error), headers);
  }
  const taken = answer.status === 202 ? readReceipt(answer.body) : null;
  if (taken === null) throw withoutProof(answerFailure(url, answer), headers);
  const told = taken.accepted + taken.ignored + taken.quarantined;
  if (told < request.least) throw lossFailure(url, told, request.least);
  return taken;
}

function timeLeftMs(intake: Intake, context: InvocationContext): number {
  const remainingMs = context.getRemainingTimeInMillis?.() ?? Number.POSITIVE_INFINITY;
  const timeoutMs = Math.min(intake.timeoutMs, Math.floor(remainingMs - RESERVE_MS));
  if (timeoutMs > 0) return timeoutMs;
  throw new ForwardError(
    `The function has ${Math.max(0, Math.round(remainingMs))} ms left, too little to send: give it a timeout of 15 s or more.`,
    { status: null },
  );
}

function proofHeaders(
  proof: SenderProof,
  signed: { readonly body: string; readonly part: string; readonly context: InvocationContext },
): Readonly<Record<string, string>> {
  if (proof.kind === 'none') return {};
  if (proof.kind === 'key') return { authorization: `Bearer ${proof.apiKey}` };
  const id = `${signed.context.awsRequestId ?? randomUUID()}${signed.part === '' ? '' : `_${signed.part}`}`;
  const timestampSec = Math.floor(Date.now() / 1000);
  return signWebhook({ id, timestampSec, body: signed.body }, proof.secret);
}

/** The intake's own answer; null where the body is anything else, whatever its status says. */
function readReceipt(body: string): Taken | null {
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

/** A service may repeat what it was sent: key and signature must not reach the log by that way either. */
function withoutProof(failure: ForwardError, headers: Readonly<Record<string, string>>): ForwardError {
  const secrets = [headers['authorization']?.replace(/^Bearer /, ''), headers['webhook-signature']].filter(
    (text) => text !== undefined && failure.message.includes(text),
  );
  let { message } = failure;
  for (const secret of secrets) message = message.replaceAll(secret ?? '', '[secret]');
  return secrets.length === 0 ? failure : new ForwardError(message, { status: failure.status });
}
