// Who is calling where the headers alone do not tell: signed calls, and deliveries of Amazon SNS. Their bodies are read
// up to their limit and under the intake gate, and nothing of them is used before the proof.
import { createHash } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import type { FastifyRequest } from 'fastify';
import type { SnsDelivery, SnsIntake } from '../core/sns-intake.ts';
import type { BodyProof, Caller } from './auth.ts';
import type { CheckSignature } from './http-deps.ts';
import { RequestProblem } from './problem.ts';

const RETRY_AFTER_SEC = 5;

/**
 * What in the body tells who is calling; null where the headers do. A signature counts only where changes are handed
 * over, where secrets are configured, and beside no key.
 */
export function bodyProofOf(
  { headers, routeOptions }: Pick<FastifyRequest, 'headers' | 'routeOptions'>,
  checkSignature: CheckSignature | null,
): BodyProof | null {
  if (routeOptions.config.isIntake !== true) return null;
  if (headers['x-amz-sns-message-type'] !== undefined) return 'sns';
  const isSigned = headers['webhook-signature'] !== undefined && headers.authorization === undefined;
  return isSigned && checkSignature !== null ? 'signature' : null;
}

/** The caller of a signed call. Throws `signature_invalid`. `body`: the bytes as they came. */
export function proveSignature(
  headers: IncomingHttpHeaders,
  body: Uint8Array,
  checkSignature: CheckSignature,
): Caller {
  const checked = checkSignature({
    headers: {
      id: textOf(headers['webhook-id']),
      timestamp: textOf(headers['webhook-timestamp']),
      signature: textOf(headers['webhook-signature']),
    },
    body,
  });
  if (checked.kind === 'invalid') throw new RequestProblem('signature_invalid', `${checked.reason}.`);
  // An id that is used again for something else must not make it look taken.
  const digest = createHash('sha256').update(body).digest('base64url');
  return { id: 'webhook', deliveryId: `webhook:${checked.id}:${digest}` };
}

/**
 * The caller of a delivery of SNS, and what it is about. Throws `sns_malformed`, `sns_not_accepted`,
 * `sns_not_verified`, or `sns_not_checked` where the sender should come again.
 */
export async function proveSns(
  document: unknown,
  sns: SnsIntake,
): Promise<{ readonly caller: Caller; readonly delivery: SnsDelivery }> {
  const delivery = await sns.receive(document);
  switch (delivery.kind) {
    case 'malformed':
      throw new RequestProblem('sns_malformed', `${delivery.reason}.`);
    case 'stranger':
      throw strangeTopic(delivery.topicArn);
    case 'refused':
      throw new RequestProblem('sns_not_verified', `${delivery.reason}.`);
    case 'unavailable':
      throw new RequestProblem('sns_not_checked', `${delivery.reason}.`, {
        headers: { 'retry-after': String(RETRY_AFTER_SEC) },
      });
    case 'notification':
    case 'confirmed':
    case 'unsubscribed': {
      const deliveryId = delivery.kind === 'notification' ? delivery.deliveryId : null;
      const name = delivery.topicArn.slice(delivery.topicArn.lastIndexOf(':') + 1);
      return { caller: { id: `sns:${name}`, deliveryId }, delivery };
    }
  }
}

/** The refusal of a topic that is not listed; its name comes from the sender. */
export function strangeTopic(topicArn: string): RequestProblem {
  const shown = JSON.stringify(topicArn.slice(0, 300));
  return new RequestProblem('sns_not_accepted', `SNS_TOPIC_ARNS does not name the topic ${shown}.`);
}

function textOf(value: string | readonly string[] | undefined): string | undefined {
  return typeof value === 'string' ? value : undefined;
}
