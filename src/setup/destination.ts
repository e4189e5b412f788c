// Where notifications are to go, from what a person names: the ARN of a function, queue or topic, or a queue's address.
import type { DestinationKind } from '../core/bucket-notifications.ts';
import type { Destination } from './wanted-notifications.ts';

/** A destination, or why what was given is none. */
export type DestinationRead =
  | { readonly kind: 'destination'; readonly destination: Destination }
  | { readonly kind: 'refused'; readonly reason: string };

const SERVICE: Readonly<Record<DestinationKind, string>> = { function: 'lambda', queue: 'sqs', topic: 'sns' };
const EXAMPLE: Readonly<Record<DestinationKind, string>> = {
  function: 'arn:aws:lambda:eu-central-1:111122223333:function:replicator-forward',
  queue: 'arn:aws:sqs:eu-central-1:111122223333:s3-events',
  topic: 'arn:aws:sns:eu-central-1:111122223333:s3-events',
};

/** Reads an ARN; for a queue its address too, `region` being that of a queue whose address does not tell it. */
export function readDestination(kind: DestinationKind, text: string, region: string): DestinationRead {
  const arn = kind === 'queue' && !text.startsWith('arn:') ? arnOfQueueUrl(text, region) : text;
  if (arn === null) {
    const reason = `The queue address ${JSON.stringify(text)} does not name its account: give the ARN, such as ${EXAMPLE.queue}.`;
    return { kind: 'refused', reason };
  }
  const parts = arn.split(':');
  if (parts[0] !== 'arn' || parts[2] !== SERVICE[kind] || parts.length < 6 || parts.slice(5).includes('')) {
    const reason = `${JSON.stringify(text)} is not the ARN of a ${kind}, such as ${EXAMPLE[kind]}.`;
    return { kind: 'refused', reason };
  }
  if (kind !== 'function' && arn.endsWith('.fifo')) {
    const reason = `${arn} is first in, first out: S3 sends to standard queues and topics only.`;
    return { kind: 'refused', reason };
  }
  return { kind: 'destination', destination: { kind, arn } };
}

/** `https://sqs.eu-central-1.amazonaws.com/111122223333/s3-events`; null where no account is in it. */
export function arnOfQueueUrl(queueUrl: string, region: string): string | null {
  const url = URL.parse(queueUrl);
  const named = /\/(\d{12})\/([A-Za-z0-9_-]+(?:\.fifo)?)$/.exec(url?.pathname ?? '');
  if (url === null || named === null) return null;
  const told = /(?:^|\.)sqs\.([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?$/.exec(url.hostname)?.[1] ?? region;
  return `arn:${partitionOf(told)}:sqs:${told}:${named[1]}:${named[2]}`;
}

/** The part of AWS that a region belongs to, as ARNs name it. */
export function partitionOf(region: string): string {
  if (region.startsWith('cn-')) return 'aws-cn';
  return region.startsWith('us-gov-') ? 'aws-us-gov' : 'aws';
}

/** The region in an ARN; null where it has none. */
export function regionOfArn(arn: string): string | null {
  const region = arn.split(':')[3] ?? '';
  return region === '' ? null : region;
}
