// A real service process that receives its changes from a sandbox queue: what the system tests of SQS share.
import { type SandboxSqs, type SandboxSqsOptions, startSandboxSqs } from '../../sandbox/sqs/sandbox-sqs.ts';
import type { DeliveryTrouble } from '../../sandbox/delivery-trouble.ts';
import { SANDBOX_KEYS } from '../../sandbox/two-clouds.ts';
import { SystemUnderTest } from './service-under-test.ts';

export const QUEUE = 'changes';

export interface SqsUnderTest extends AsyncDisposable {
  readonly sqs: SandboxSqs;
  readonly system: SystemUnderTest;
  /** Resolves when nothing is in the queue any more, hidden messages included. */
  untilEmpty(): Promise<void>;
  /** `replicator_sqs_messages_total`, by result. */
  messageCounts(): Promise<Record<string, number>>;
  /** What /v1/status says of the intake. */
  status(): Promise<SqsStatusJson>;
}

export interface SqsStatusJson {
  readonly trouble: { readonly fault: { readonly code: string; readonly message: string } } | null;
  readonly pause: { readonly reason: string; readonly detail: string } | null;
  readonly inHand: number;
  readonly waiting: number | null;
}

/** Starts the queue, then the service on it. */
export async function startSqsSystem(
  options: {
    readonly settings?: Readonly<Record<string, string>>;
    readonly delivery?: DeliveryTrouble;
    readonly clock?: SandboxSqsOptions['clock'];
    /** The queue is not made before the service starts. */
    readonly isMissing?: boolean;
    /** Called before the service starts. */
    readonly prepare?: (sqs: SandboxSqs) => void;
  } = {},
): Promise<SqsUnderTest> {
  const { settings = {}, delivery, clock, isMissing = false, prepare } = options;
  const sqs = await startSandboxSqs({ ...SANDBOX_KEYS, ...(clock === undefined ? {} : { clock }) });
  if (!isMissing) sqs.createQueue(QUEUE, {}, delivery === undefined ? {} : { delivery });
  prepare?.(sqs);
  const queueUrl = `${sqs.url}/${sqs.accountId}/${QUEUE}`;
  const system = await SystemUnderTest.start({
    AWS_ENDPOINT_URL_SQS: sqs.url,
    SQS_QUEUE_URL: queueUrl,
    ...settings,
  }).catch(async (error: unknown) => {
    await sqs.close();
    throw error;
  });
  return {
    sqs,
    system,
    async untilEmpty() {
      await system.until('an empty queue', async () =>
        sqs.inspect(QUEUE).messages.length === 0 ? true : null,
      );
    },
    async messageCounts() {
      const text = await (await fetch(`${system.service.url}/metrics`)).text();
      const found = text.matchAll(/^replicator_sqs_messages_total\{result="(\w+)"\} (\d+)$/gm);
      return Object.fromEntries([...found].map(([, result = '', count]) => [result, Number(count)]));
    },
    async status() {
      const { body } = await system.service.get('/v1/status');
      return (body as { sqs: SqsStatusJson }).sqs;
    },
    async [Symbol.asyncDispose]() {
      await system[Symbol.asyncDispose]();
      await sqs.close();
    },
  };
}
