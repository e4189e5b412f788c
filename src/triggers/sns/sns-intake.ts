// Decides about a delivery of SNS over HTTPS: is its topic listed, is it young, is its signature right; and confirms the
// subscription where it asks for that. In this order, so that a stranger costs nothing and makes nobody fetch anything.
import { createHash, verify } from 'node:crypto';
import type { Clock } from '../../core/clock.ts';
import type { FetchDocument } from '../../core/fetch-document.ts';
import type { SnsDelivery, SnsIntake } from '../../core/sns-intake.ts';
import { readTopicArn, type SnsTopic } from '../../core/sns-topic.ts';
import { SigningCertificates } from './signing-certificates.ts';
import { isCertificateUrl, isConfirmationUrl } from './sns-addresses.ts';
import { readSnsMessage, type SnsMessage, stringToSign } from './sns-message.ts';

/** SNS gives up an hour after its first try. What is older was recorded by somebody, or waited for very long. */
const MAX_AGE_MS = 86_400_000;
const MAX_AHEAD_MS = 900_000;
const CONFIRM_MAX_BYTES = 64 * 1024;
const CONFIRM_TIMEOUT_MS = 8_000;
/** Confirmations that need not be asked for again when their message is repeated. */
const MAX_REMEMBERED = 100;

const HASH_OF_VERSION = { '1': 'sha1', '2': 'sha256' } as const;

/**
 * Builds the intake for these topics. `endpoint` is the scheme, host and port of something that speaks for SNS, such
 * as an emulator; null for Amazon itself.
 */
export function createSnsIntake(deps: {
  readonly topicArns: readonly string[];
  readonly endpoint: string | null;
  readonly fetchDocument: FetchDocument;
  readonly clock: Clock;
}): SnsIntake {
  const { endpoint, fetchDocument, clock } = deps;
  const topics = new Map<string, SnsTopic>();
  for (const arn of deps.topicArns) {
    const topic = readTopicArn(arn);
    if (topic !== null) topics.set(arn, topic);
  }
  const certificates = new SigningCertificates({ fetchDocument, clock });
  const confirmed = new Set<string>();

  const check = async (message: SnsMessage, topic: SnsTopic): Promise<SnsDelivery | null> => {
    const refusal = refusalByTime(message, clock.nowMs());
    if (refusal !== null) return refusal;
    const url = message.signingCertUrl;
    if (!isCertificateUrl(url, topic, endpoint))
      return { kind: 'refused', reason: 'the SigningCertURL is not one of SNS in the region of the topic' };
    const found = await certificates.get(url, endpoint === null ? topic : null);
    if ('problem' in found) {
      const reason = `the certificate of the signature: ${found.problem}`;
      return { kind: found.isFinal ? 'refused' : 'unavailable', reason };
    }
    const algorithm = HASH_OF_VERSION[message.signatureVersion];
    const text = Buffer.from(stringToSign(message), 'utf8');
    return verify(algorithm, text, found.certificate.publicKey, message.signature)
      ? null
      : { kind: 'refused', reason: 'the signature is not of this message' };
  };

  const confirm = async (message: SnsMessage, topic: SnsTopic): Promise<SnsDelivery> => {
    const { topicArn, token, subscribeUrl } = message;
    const expected = { topicArn, token: token ?? '' };
    if (subscribeUrl === null || !isConfirmationUrl(subscribeUrl, expected, topic, endpoint))
      return { kind: 'refused', reason: 'the SubscribeURL is not one of SNS in the region of the topic' };
    if (confirmed.has(subscribeUrl)) return { kind: 'confirmed', topicArn };
    const problem = await askedInVain(fetchDocument, subscribeUrl);
    if (problem !== null) return { kind: 'unavailable', reason: `the confirmation ${problem}` };
    remember(confirmed, subscribeUrl);
    return { kind: 'confirmed', topicArn };
  };

  return {
    listensTo: (topicArn) => topics.has(topicArn),
    receive: async (document) => {
      const read = readSnsMessage(document);
      if ('problem' in read) return { kind: 'malformed', reason: read.problem };
      const { message } = read;
      const { type, topicArn } = message;
      const topic = topics.get(topicArn);
      if (topic === undefined) return { kind: 'stranger', topicArn };
      const refusal = await check(message, topic);
      if (refusal !== null) return refusal;
      if (type === 'SubscriptionConfirmation') return confirm(message, topic);
      return type === 'UnsubscribeConfirmation'
        ? { kind: 'unsubscribed', topicArn }
        : notificationOf(message);
    },
  };
}

function refusalByTime({ sentAtMs }: SnsMessage, nowMs: number): SnsDelivery | null {
  if (nowMs - sentAtMs > MAX_AGE_MS) return { kind: 'refused', reason: 'the message is older than a day' };
  if (sentAtMs - nowMs > MAX_AHEAD_MS)
    return { kind: 'refused', reason: 'the message is of a time to come: check the clock of this machine' };
  return null;
}

async function askedInVain(fetchDocument: FetchDocument, url: string): Promise<string | null> {
  try {
    const request = { url, maxBytes: CONFIRM_MAX_BYTES, timeoutMs: CONFIRM_TIMEOUT_MS };
    const { status } = await fetchDocument(request);
    return status === 200 ? null : `was answered ${status}`;
  } catch (error) {
    return `could not be sent: ${error instanceof Error ? error.message : String(error)}`;
  }
}

function remember(known: Set<string>, entry: string): void {
  known.add(entry);
  const [oldest] = known;
  if (known.size > MAX_REMEMBERED && oldest !== undefined) known.delete(oldest);
}

function notificationOf({ type, messageId, topicArn, message, timestamp }: SnsMessage): SnsDelivery {
  const digest = createHash('sha256').update(`${topicArn}\n${message}`, 'utf8').digest('base64url');
  return {
    kind: 'notification',
    topicArn,
    deliveryId: `sns:${messageId}:${digest}`,
    document: {
      Type: type,
      MessageId: messageId,
      TopicArn: topicArn,
      Timestamp: timestamp,
      Message: message,
    },
  };
}
