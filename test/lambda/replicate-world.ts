// What the replicating function works between: two clouds and a queue on this machine, and the function itself inside
// of a Lambda runtime.
import { ReceiveMessageCommand } from '@aws-sdk/client-sqs';
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import type { QueueInspection } from '../../sandbox/sqs/sandbox-sqs.ts';
import { sqsClient } from '../../sandbox/sqs/sqs-test-client.ts';
import {
  SANDBOX_KEYS,
  SOURCE_BUCKET,
  startTwoClouds,
  TARGET_BUCKET,
  type TwoClouds,
} from '../../sandbox/two-clouds.ts';
import { notification } from '../system/service-under-test.ts';
import { type FunctionProcess, type Runtime, startFunction } from './function-process.ts';

const QUEUE = 's3-events';

/** One message of a batch, as Lambda passes it. */
export interface PassedMessage {
  readonly messageId: string;
  readonly receiptHandle: string;
  readonly body: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly eventSource: 'aws:sqs';
}

export class ReplicateWorld {
  readonly clouds: TwoClouds;
  readonly #context: TestContext;

  private constructor(context: TestContext, clouds: TwoClouds) {
    this.#context = context;
    this.clouds = clouds;
    clouds.sqs.createQueue(QUEUE, { VisibilityTimeout: '5400' });
  }

  /** Everything ends with the test. */
  static async start(context: TestContext): Promise<ReplicateWorld> {
    const clouds = await startTwoClouds({ s3: 0, gcs: 0 });
    context.after(async () => clouds.close());
    return new ReplicateWorld(context, clouds);
  }

  /** The settings of a function that takes from the queue. */
  get settings(): Readonly<Record<string, string>> {
    return {
      ...this.clouds.settings,
      ...this.clouds.queueSettings,
      SQS_QUEUE_URL: this.clouds.sqs.queueUrl(QUEUE),
      CHUNK_SIZE_BYTES: '262144',
    };
  }

  async function(
    started: { readonly folder: string; readonly runtime: Runtime },
    options: { readonly settings?: Readonly<Record<string, string>>; readonly memoryMb?: number } = {},
  ): Promise<FunctionProcess> {
    const { settings = {}, memoryMb = 256 } = options;
    const environment = Object.entries({ ...this.settings, ...settings }).filter(([, text]) => text !== '');
    const running = await startFunction({
      ...started,
      memoryMb,
      environment: Object.fromEntries(environment),
    });
    this.#context.after(async () => running.stop());
    return running;
  }

  /** Puts objects into the source; the value is the content. */
  async put(objects: Readonly<Record<string, string | Buffer>>): Promise<void> {
    for (const [key, bytes] of Object.entries(objects))
      await this.clouds.s3.putObject(SOURCE_BUCKET, key, bytes);
  }

  /** Throws unless exactly these objects are at the target, with the bytes of the source. */
  assertArrived(keys: readonly string[]): void {
    const objects = this.clouds.gcs.objects(TARGET_BUCKET);
    assert.deepEqual(objects.map(({ name }) => name).toSorted(), keys.toSorted());
    for (const object of objects) {
      const source = this.clouds.s3.getObject(SOURCE_BUCKET, object.name);
      assert.ok(source !== null && object.read().equals(source.bytes), object.name);
    }
  }

  /** Sends bodies to the queue and receives them again, as the event source mapping does. */
  async passed(bodies: readonly string[]): Promise<PassedMessage[]> {
    for (const body of bodies) this.clouds.sqs.send(QUEUE, body);
    const client = sqsClient(this.clouds.sqs.url, SANDBOX_KEYS);
    try {
      const received: PassedMessage[] = [];
      while (received.length < bodies.length) {
        const command = new ReceiveMessageCommand({
          QueueUrl: this.clouds.sqs.queueUrl(QUEUE),
          MaxNumberOfMessages: 10,
          MessageSystemAttributeNames: ['All'],
        });
        for (const { MessageId, ReceiptHandle, Body, Attributes } of (await client.send(command)).Messages ??
          [])
          received.push({
            messageId: MessageId ?? '',
            receiptHandle: ReceiptHandle ?? '',
            body: Body ?? '',
            attributes: Attributes ?? {},
            eventSource: 'aws:sqs',
          });
      }
      return received;
    } finally {
      client.destroy();
    }
  }

  /** The messages of S3 for these keys, one for each, received from the queue. */
  async passedFor(keys: readonly string[]): Promise<PassedMessage[]> {
    return this.passed(keys.map(bodyFor));
  }

  get queue(): QueueInspection {
    return this.clouds.sqs.inspect(QUEUE);
  }
}

/** The body of the message that S3 sends for a key. */
export function bodyFor(key: string): string {
  return JSON.stringify(notification([key]));
}
