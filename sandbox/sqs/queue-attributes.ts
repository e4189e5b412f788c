// The attributes of a queue: what each is at first, what it may be set to, and what the queue does by them.
import { isFields } from './request-fields.ts';
import { SqsError } from './sqs-errors.ts';

const day = 24 * 3600;

/** Attribute -> its value at first, and its limits. */
const numbers: Readonly<
  Record<string, { readonly first: number; readonly least: number; readonly most: number }>
> = {
  DelaySeconds: { first: 0, least: 0, most: 900 },
  MaximumMessageSize: { first: 1_048_576, least: 1024, most: 1_048_576 },
  MessageRetentionPeriod: { first: 4 * day, least: 60, most: 14 * day },
  ReceiveMessageWaitTimeSeconds: { first: 0, least: 0, most: 20 },
  VisibilityTimeout: { first: 30, least: 0, most: 43_200 },
};
const flags = new Set(['ContentBasedDeduplication', 'FifoQueue', 'SqsManagedSseEnabled']);
/** Kept and shown; nothing in the sandbox depends on them. */
const texts = new Set([
  'Policy',
  'RedrivePolicy',
  'RedriveAllowPolicy',
  'KmsMasterKeyId',
  'KmsDataKeyReusePeriodSeconds',
  'DeduplicationScope',
  'FifoThroughputLimit',
]);

export interface RedrivePolicy {
  readonly deadLetterTargetArn: string;
  readonly maxReceiveCount: number;
}

export class QueueAttributes {
  readonly isFifo: boolean;
  #values: Record<string, string>;
  #redrive: RedrivePolicy | null;

  /** Throws where a value cannot be. */
  constructor(name: string, given: Readonly<Record<string, string>>) {
    this.isFifo = given['FifoQueue'] === 'true';
    if (name.endsWith('.fifo') !== this.isFifo)
      throw new SqsError(
        'InvalidParameterValue',
        this.isFifo
          ? 'The name of a FIFO queue can only include alphanumeric characters, hyphens, or underscores, must end with .fifo suffix and be 1 to 80 in length.'
          : 'Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length',
      );
    const first = Object.entries(numbers).map(([attribute, { first: value }]) => [attribute, String(value)]);
    this.#values = {
      ...Object.fromEntries(first),
      SqsManagedSseEnabled: 'true',
      ...(this.isFifo ? { ContentBasedDeduplication: 'false' } : {}),
    };
    this.#redrive = null;
    this.set(given);
  }

  /** Changes all of the given ones or none. An empty RedrivePolicy or Policy removes it. */
  set(given: Readonly<Record<string, string>>): void {
    for (const [attribute, value] of Object.entries(given)) checkAttribute(attribute, value, this.isFifo);
    const merged = { ...this.#values, ...given };
    const redrive = readRedrivePolicy(merged['RedrivePolicy'] ?? '');
    this.#values = Object.fromEntries(Object.entries(merged).filter(([, value]) => value !== ''));
    this.#redrive = redrive;
  }

  get redrive(): RedrivePolicy | null {
    return this.#redrive;
  }

  get isDeduplicatedByContent(): boolean {
    return this.#values['ContentBasedDeduplication'] === 'true';
  }

  /** One of those that are numbers. */
  number(
    attribute:
      | 'DelaySeconds'
      | 'MaximumMessageSize'
      | 'MessageRetentionPeriod'
      | 'ReceiveMessageWaitTimeSeconds'
      | 'VisibilityTimeout',
  ): number {
    return Number(this.#values[attribute]);
  }

  all(): Readonly<Record<string, string>> {
    return this.#values;
  }

  /** The first given attribute whose value is another one here; null where all are equal. */
  difference(given: Readonly<Record<string, string>>): string | null {
    const different = Object.entries(given).find(([attribute, value]) => this.#values[attribute] !== value);
    return different?.[0] ?? null;
  }
}

function checkAttribute(attribute: string, value: string, isFifo: boolean): void {
  const limits = numbers[attribute];
  const isOfFifo = ['FifoQueue', 'ContentBasedDeduplication', 'DeduplicationScope', 'FifoThroughputLimit'];
  if (limits === undefined && !flags.has(attribute) && !texts.has(attribute))
    throw new SqsError('InvalidAttributeName', `Unknown Attribute ${attribute}.`);
  if (!isFifo && isOfFifo.includes(attribute))
    throw new SqsError('InvalidAttributeName', `Unknown Attribute ${attribute}.`);
  const isValid =
    limits !== undefined
      ? /^\d+$/.test(value) && Number(value) >= limits.least && Number(value) <= limits.most
      : !flags.has(attribute) || value === 'true' || value === 'false';
  if (!isValid) throw new SqsError('InvalidAttributeValue', `Invalid value for the parameter ${attribute}.`);
}

/** Null for an empty one. */
function readRedrivePolicy(text: string): RedrivePolicy | null {
  if (text === '') return null;
  const invalid = (reason: string): SqsError =>
    new SqsError(
      'InvalidParameterValue',
      `Value ${text} for parameter RedrivePolicy is invalid. Reason: ${reason}`,
    );
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    throw invalid('Redrive policy is not a valid JSON map.');
  }
  if (!isFields(parsed)) throw invalid('Redrive policy is not a valid JSON map.');
  const { deadLetterTargetArn } = parsed;
  const maxReceiveCount = Number(parsed['maxReceiveCount']);
  if (typeof deadLetterTargetArn !== 'string' || !/^arn:aws:sqs:[^:]+:\d{12}:.+$/.test(deadLetterTargetArn))
    throw invalid('Invalid value for deadLetterTargetArn.');
  if (!Number.isInteger(maxReceiveCount) || maxReceiveCount < 1 || maxReceiveCount > 1000)
    throw invalid('Invalid value for maxReceiveCount: it must be between 1 and 1000.');
  return { deadLetterTargetArn, maxReceiveCount };
}
