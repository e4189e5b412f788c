// A queue of Amazon SQS, or of a server that speaks its JSON protocol. One request for one call: the client's own
// retries are off, and only credentials that were replaced at their origin are read again, once.
import type * as SqsSdk from '@aws-sdk/client-sqs';
import type { AwsCredentials, CredentialsProvider } from '../../aws/credentials.ts';
import type { Clock } from '../../core/clock.ts';
import {
  LONGEST_VISIBILITY_SEC,
  type MessageFailure,
  type MessageQueue,
  type MessageQueueFacts,
  type MessageToSend,
  type ReceivedMessage,
} from '../../core/message-queue.ts';
import { untilAborted } from '../../core/until-aborted.ts';
import { areStaleCredentials, queueFault, type QueueRequest, sendFault } from './faults.ts';

export interface SqsOptions {
  readonly queueUrl: string;
  readonly region: string;
  /** Scheme, host and port; null: those of the queue's address. */
  readonly endpoint: string | null;
  readonly credentials: CredentialsProvider;
  readonly clock: Clock;
  /** Requests under way at once, at most; every waiting receive is one. */
  readonly connections: number;
  /** What a request may take beside the time that it was told to wait; 15 s by default. */
  readonly answerTimeoutMs?: number;
}

const CONNECT_TIMEOUT_MS = 5_000;
const ANSWER_TIMEOUT_MS = 15_000;
/** Bodies in one call together: what every server takes, though Amazon takes 1 MiB by now. */
const SEND_BYTES_PER_CALL = 256 * 1024;

interface BatchFailure {
  Id?: string | undefined;
  Code?: string | undefined;
  Message?: string | undefined;
  SenderFault?: boolean | undefined;
}

/**
 * Opens the queue. Nothing is asked yet: whether it exists shows the first call. The client is loaded only here,
 * because it is large.
 */
export async function openSqsMessageQueue(options: SqsOptions): Promise<MessageQueue> {
  return new SqsMessageQueue(await import('@aws-sdk/client-sqs'), options);
}

class SqsMessageQueue implements MessageQueue {
  readonly #sdk: typeof SqsSdk;
  readonly #client: SqsSdk.SQSClient;
  readonly #queueUrl: string;
  readonly #origin: string;
  readonly #credentials: CredentialsProvider;
  readonly #clock: Clock;
  readonly #answerTimeoutMs: number;

  constructor(sdk: typeof SqsSdk, options: SqsOptions) {
    const { queueUrl, region, endpoint, credentials, clock, connections } = options;
    this.#sdk = sdk;
    this.#queueUrl = queueUrl;
    this.#origin = endpoint ?? new URL(queueUrl).origin;
    this.#credentials = credentials;
    this.#clock = clock;
    this.#answerTimeoutMs = options.answerTimeoutMs ?? ANSWER_TIMEOUT_MS;
    this.#client = new sdk.SQSClient({
      region,
      endpoint: this.#origin,
      // Marked as remembered already, because the client's own memory would not give way to newer ones.
      credentials: Object.assign(async () => identityOf(await credentials()), { memoized: true }),
      maxAttempts: 1,
      requestHandler: {
        connectionTimeout: CONNECT_TIMEOUT_MS,
        httpAgent: { maxSockets: connections },
        httpsAgent: { maxSockets: connections },
        // Every call has its own deadline; waiting for a connection is told by the call that waits too long.
        socketAcquisitionWarningTimeout: 2 ** 31 - 1,
      },
      // Said, so that nothing is read from the shared configuration files of whoever runs the service.
      retryMode: 'standard',
      defaultsMode: 'standard',
      useDualstackEndpoint: false,
      useFipsEndpoint: false,
      authSchemePreference: ['aws.auth#sigv4'],
      userAgentAppId: 'cross-cloud-replicator',
    });
  }

  async receive(
    request: { readonly max: number; readonly waitSec: number; readonly visibilitySec: number },
    signal: AbortSignal,
  ): Promise<readonly ReceivedMessage[]> {
    const command = new this.#sdk.ReceiveMessageCommand({
      QueueUrl: this.#queueUrl,
      MaxNumberOfMessages: request.max,
      WaitTimeSeconds: request.waitSec,
      VisibilityTimeout: request.visibilitySec,
      MessageSystemAttributeNames: ['ApproximateReceiveCount', 'SentTimestamp'],
    });
    const { Messages: messages = [] } = await this.#ask(
      'sqs:ReceiveMessage',
      signal,
      (options) => this.#client.send(command, options),
      request.waitSec * 1000,
    );
    return messages.map(({ MessageId: id, ReceiptHandle: receipt, Body: body = '', Attributes: facts }) => {
      if (id === undefined || receipt === undefined)
        throw queueFault(
          new Error('A message came without its id or receipt'),
          this.#request('sqs:ReceiveMessage'),
          0,
        );
      return {
        id,
        receipt,
        body,
        receiveCount: wholeNumber(facts?.ApproximateReceiveCount) ?? 1,
        sentAtMs: wholeNumber(facts?.SentTimestamp),
      };
    });
  }

  async delete(
    messages: readonly Pick<ReceivedMessage, 'id' | 'receipt'>[],
    signal: AbortSignal,
  ): Promise<readonly MessageFailure[]> {
    if (messages.length === 0) return [];
    const command = new this.#sdk.DeleteMessageBatchCommand({
      QueueUrl: this.#queueUrl,
      Entries: messages.map(({ receipt }, index) => ({ Id: String(index), ReceiptHandle: receipt })),
    });
    const { Failed: failed } = await this.#ask('sqs:DeleteMessage', signal, (options) =>
      this.#client.send(command, options),
    );
    return failuresOf(messages, failed);
  }

  async changeVisibility(
    messages: readonly (Pick<ReceivedMessage, 'id' | 'receipt'> & { readonly visibilitySec: number })[],
    signal: AbortSignal,
  ): Promise<readonly MessageFailure[]> {
    if (messages.length === 0) return [];
    const command = new this.#sdk.ChangeMessageVisibilityBatchCommand({
      QueueUrl: this.#queueUrl,
      Entries: messages.map(({ receipt, visibilitySec }, index) => ({
        Id: String(index),
        ReceiptHandle: receipt,
        VisibilityTimeout: Math.min(visibilitySec, LONGEST_VISIBILITY_SEC),
      })),
    });
    const { Failed: failed } = await this.#ask('sqs:ChangeMessageVisibility', signal, (options) =>
      this.#client.send(command, options),
    );
    return failuresOf(messages, failed);
  }

  async send(messages: readonly MessageToSend[], signal: AbortSignal): Promise<void> {
    for (const part of bySize(messages)) {
      const command = new this.#sdk.SendMessageBatchCommand({
        QueueUrl: this.#queueUrl,
        Entries: part.map(({ body, delaySec }, index) => ({
          Id: String(index),
          MessageBody: body,
          DelaySeconds: delaySec,
        })),
      });
      const { Failed: failed = [] } = await this.#ask('sqs:SendMessage', signal, (options) =>
        this.#client.send(command, options),
      );
      const [first] = failed;
      if (first === undefined) continue;
      const { Code: code = 'Unknown', Message: message = '', SenderFault: isOurFault = false } = first;
      throw sendFault({ code, message, isOurFault }, this.#request('sqs:SendMessage'));
    }
  }

  async facts(signal: AbortSignal): Promise<MessageQueueFacts> {
    const command = new this.#sdk.GetQueueAttributesCommand({
      QueueUrl: this.#queueUrl,
      // Amazon refuses to tell `FifoQueue` of a queue that is none, so the name tells it: it must end so.
      AttributeNames: [
        'VisibilityTimeout',
        'RedrivePolicy',
        'MessageRetentionPeriod',
        'ApproximateNumberOfMessages',
      ],
    });
    const { Attributes: facts } = await this.#ask('sqs:GetQueueAttributes', signal, (options) =>
      this.#client.send(command, options),
    );
    return {
      isFifo: this.#queueUrl.endsWith('.fifo'),
      visibilitySec: wholeNumber(facts?.VisibilityTimeout) ?? 30,
      maxReceiveCount: maxReceiveCountOf(facts?.RedrivePolicy),
      retentionSec: wholeNumber(facts?.MessageRetentionPeriod),
      waiting: wholeNumber(facts?.ApproximateNumberOfMessages),
    };
  }

  async close(): Promise<void> {
    this.#client.destroy();
  }

  #request(permission: string): QueueRequest {
    return { permission, queueUrl: this.#queueUrl, origin: this.#origin };
  }

  /** Sends once; and once more where the credentials were stale and others came from their origin. */
  async #ask<Answer>(
    permission: string,
    signal: AbortSignal,
    send: (options: { abortSignal: AbortSignal }) => Promise<Answer>,
    waitMs = 0,
  ): Promise<Answer> {
    signal.throwIfAborted();
    const used = await untilAborted(this.#credentials(), signal);
    for (let mayRenew = true; ; mayRenew = false) {
      try {
        const deadline = AbortSignal.timeout(waitMs + this.#answerTimeoutMs);
        return await send({ abortSignal: AbortSignal.any([signal, deadline]) });
      } catch (error) {
        signal.throwIfAborted();
        if (!mayRenew || !areStaleCredentials(error) || !(await this.#hasOthersThan(used, signal)))
          throw queueFault(error, this.#request(permission), this.#clock.nowMs());
      }
    }
  }

  async #hasOthersThan(rejected: AwsCredentials, signal: AbortSignal): Promise<boolean> {
    const current = await untilAborted(this.#credentials({ rejected }), signal);
    return current.accessKeyId !== rejected.accessKeyId || current.sessionToken !== rejected.sessionToken;
  }
}

/** The credentials as the client wants them, where an absent field must not be there at all. */
function identityOf({ accessKeyId, secretAccessKey, sessionToken, expiration }: AwsCredentials): {
  accessKeyId: string;
  secretAccessKey: string;
  sessionToken?: string;
  expiration?: Date;
} {
  return {
    accessKeyId,
    secretAccessKey,
    ...(sessionToken === undefined ? {} : { sessionToken }),
    ...(expiration === undefined ? {} : { expiration }),
  };
}

/** Parts that one call can carry each: few enough bytes, and never an empty part. */
function bySize(messages: readonly MessageToSend[]): MessageToSend[][] {
  const parts: MessageToSend[][] = [];
  let partBytes = Infinity;
  for (const message of messages) {
    const bodyBytes = Buffer.byteLength(message.body);
    if (partBytes + bodyBytes > SEND_BYTES_PER_CALL) {
      parts.push([]);
      partBytes = 0;
    }
    parts.at(-1)?.push(message);
    partBytes += bodyBytes;
  }
  return parts;
}

function failuresOf(
  messages: readonly Pick<ReceivedMessage, 'id'>[],
  failed: readonly BatchFailure[] = [],
): MessageFailure[] {
  return failed.flatMap(({ Id: index, Code: code = 'Unknown', Message: said = '' }) => {
    const message = messages[Number(index)];
    return message === undefined
      ? []
      : [{ id: message.id, reason: `${code}: ${said}`, isStale: isStale(code, said) }];
  });
}

/** Amazon tells it by the code; where the same code means a bad argument, the text tells what is wrong. */
function isStale(code: string, said: string): boolean {
  if (/ReceiptHandleIsInvalid|MessageNotInflight/.test(code)) return true;
  return /InvalidParameterValue/.test(code) && /does not exist|not available|has expired|receipt/i.test(said);
}

function wholeNumber(text: string | undefined): number | null {
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : null;
}

/** `{"deadLetterTargetArn":"...","maxReceiveCount":5}`, where the number may be text. */
function maxReceiveCountOf(policy: string | undefined): number | null {
  if (policy === undefined || policy === '') return null;
  const count = (JSON.parse(policy) as { readonly maxReceiveCount?: string | number }).maxReceiveCount;
  return wholeNumber(String(count));
}
