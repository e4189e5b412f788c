// The composition of the replicating Lambda function: what is opened once for the life of its process, and remembered
// from invocation to invocation. Everything in it is pure, WebAssembly or Node itself, so that one bundle runs on every
// processor.
import type { CredentialsProvider } from '../aws/credentials.ts';
import { openWasmChecksumEngine } from '../checksums/wasm-checksums.ts';
import type { Config, Secrets } from '../config/config.ts';
import type { ServiceAccess } from '../config/shell-config.ts';
import type { ChecksumEngine } from '../core/checksum.ts';
import type { Happenings } from '../core/happenings.ts';
import { MESSAGES_PER_CALL, type MessageQueue, type MessageToSend } from '../core/message-queue.ts';
import type { AccessTokens } from '../google/access-token.ts';
import { openSqsMessageQueue } from '../messages/sqs/sqs-message-queue.ts';
import { openShellBrake } from './open-shell-brake.ts';
import {
  effectDeadlineOf,
  openAwsCredentials,
  openGoogleTokens,
  openSource,
  openTarget,
} from './open-stores.ts';
import { ByteBudget } from '../replication/byte-budget.ts';
import type { Stores } from '../replication/copy-object.ts';
import { GroupedCalls } from '../replication/stateless/grouped-calls.ts';
import { openRunner, type Runner, type RunnerOptions } from '../replication/stateless/open-runner.ts';
import { SYSTEM_CLOCK as clock, SYSTEM_RANDOM as random } from '../system-clock.ts';
import { createBusyShare } from '../telemetry/busy-share.ts';
import { createHappenings } from '../telemetry/happenings.ts';
import { createJsonLogger } from '../telemetry/json-logger.ts';
import type { Logger } from '../telemetry/logger.ts';
import { createMessageHappenings } from '../telemetry/message-happenings.ts';
import { SILENT_METRICS } from '../telemetry/silent-metrics.ts';
import { openHandOver } from '../triggers/hand-over.ts';
import { renewAfterPause } from '../triggers/lambda/renew-after-pause.ts';
import {
  type BatchQueue,
  type BatchReport,
  createReplicator,
  LONGEST_INVOCATION_MS,
} from '../triggers/lambda/replicate.ts';
import { MESSAGE_DOCUMENTS } from '../triggers/message-documents.ts';

/** No function moves more than this: what would need more time at this pace is not begun. */
const FASTEST_BYTES_PER_MS = (100 * 1024 * 1024) / 1000;
/** A connection that nobody used for longer may be dead without a sign. */
const LONGEST_PAUSE_MS = 3_000;
/** A function that only waits is paid for like one that works. */
const LONGEST_WAIT_MS = 10_000;
/** Soon enough for the time that is kept for what follows the last attempt. */
const QUEUE_ANSWER_MS = 3_000;
/** Calls that send messages at the same time. */
const SEND_CALLS = 4;
/** What giving messages back may take of the time that is kept for the answer. */
const GIVE_BACK_MS = 3_000;

const NEVER = new AbortController().signal;

type Handler = ReturnType<typeof createReplicator>;

export interface FunctionOptions {
  readonly config: Config;
  readonly secrets: Secrets;
  /** Takes over what a function cannot carry; null where no service is named. */
  readonly service: ServiceAccess | null;
  /** Doubts about the settings, told in the log. */
  readonly warnings: readonly { readonly setting: string; readonly message: string }[];
  /** Takes finished log lines. */
  readonly write: (text: string) => unknown;
}

/** Opens the function. Throws where a part cannot be opened. */
export async function openReplicateFunction(options: FunctionOptions): Promise<Handler> {
  const { config, secrets, warnings, write } = options;
  const logger = createJsonLogger({ level: config.log.level, write, nowMs: () => clock.nowMs() });
  for (const { setting, message } of warnings) logger.warn({ setting }, message);
  const telemetry = { logger, metrics: SILENT_METRICS };
  const happenings = { ...createHappenings(telemetry), ...createMessageHappenings(telemetry) };
  const request = { config, secrets, clock };
  const lasting: Lasting = {
    ...options,
    logger,
    happenings,
    aws: openAwsCredentials(request),
    google: openGoogleTokens(request),
    // A function is never told that its process ends: nothing of this is closed.
    deleteBrake: (await openShellBrake({ ...request, happenings })).brake,
    checksums: await openWasmChecksumEngine(),
  };
  const useConnections = renewAfterPause({
    open: async () => connect(lasting),
    clock,
    longestPauseMs: LONGEST_PAUSE_MS,
  });
  // While the function still starts: what the first call needs is loaded by then.
  await useConnections(async () => {});
  return async (event, context) => useConnections(async ({ handle }) => handle(event, context));
}

/** What lives as long as the process. */
interface Lasting extends Pick<FunctionOptions, 'config' | 'secrets' | 'service'> {
  readonly logger: Logger;
  readonly happenings: RunnerOptions['happenings'];
  readonly aws: CredentialsProvider;
  readonly google: AccessTokens | null;
  readonly deleteBrake: Stores['deleteBrake'];
  readonly checksums: ChecksumEngine;
}

/** What lives as long as its connections. */
interface Connected {
  readonly handle: Handler;
  close(): Promise<void>;
}

async function connect(lasting: Lasting): Promise<Connected> {
  const { config, aws, google, happenings, logger } = lasting;
  const request = { ...lasting, clock };
  // Every running transfer has at most one request at each side.
  const connections = config.transfer.maxConcurrency;
  const source = await openSource(request, aws, connections);
  const target = await openTarget(request, connections, google);
  const { sqs } = config.intake;
  const queue =
    sqs === null
      ? null
      : await openSqsMessageQueue({
          ...sqs,
          credentials: aws,
          clock,
          connections,
          answerTimeoutMs: QUEUE_ANSWER_MS,
        });
  let handler: Handler | null = null;
  return {
    handle: async (event, context) => {
      // How long an invocation may take is told with the first one, and is the same for all that follow.
      const invocationMs = context.getRemainingTimeInMillis?.() ?? LONGEST_INVOCATION_MS;
      const runnerWith = (send: RunnerOptions['send']): Runner =>
        functionRunner(lasting, { source, target }, invocationMs, send);
      handler ??= createReplicator({
        queue:
          queue === null || sqs === null
            ? null
            : { name: queueNameOf(sqs.queueUrl), ...batchQueue(queue, happenings, runnerWith) },
        runner: runnerWith(null),
        clock,
        onPartlyDone: (report) => tellPartlyDone(logger, report),
      });
      return handler(event, context);
    },
    close: async () => {
      await Promise.all([source.close(), target.close(), queue?.close()]);
    },
  };
}

function functionRunner(
  { config, service, happenings, deleteBrake, checksums }: Lasting,
  stores: Pick<Stores, 'source' | 'target'>,
  invocationMs: number,
  send: RunnerOptions['send'],
): Runner {
  const { rules, retry, transfer } = config;
  const effectDeadlineMs = effectDeadlineOf(transfer.settleGraceMs);
  return openRunner({
    rules,
    stores: {
      ...stores,
      deleteBrake,
      checksums,
      clock,
      byteBudget: new ByteBudget(transfer.maxMemoryBytes),
      chunkBytes: transfer.chunkBytes,
      effectDeadlineMs,
    },
    clock,
    random,
    happenings,
    documents: MESSAGE_DOCUMENTS,
    send,
    handOver: service === null ? null : openHandOver(service),
    maxConcurrency: transfer.maxConcurrency,
    busyShare: createBusyShare(),
    maxAttempts: retry.attempts,
    backoffMs: retry.backoffMs,
    graceMs: transfer.settleGraceMs,
    // Lambda may call a function long after it received the messages: whoever had one before works on until its own
    // deadline, also where the message became visible meanwhile.
    takeoverGraceMs: Math.max(transfer.settleGraceMs, invocationMs + effectDeadlineMs),
    longestWaitMs: LONGEST_WAIT_MS,
    maxCarriedBytes: Math.floor(invocationMs * FASTEST_BYTES_PER_MS),
  });
}

function tellPartlyDone(logger: Logger, { fault, ...counts }: BatchReport): void {
  logger.warn(
    { ...counts, ...(fault === null ? {} : { fault: fault.code, reason: fault.message }) },
    'batch partly done: the others come back, if the event source mapping has ReportBatchItemFailures',
  );
}

/** `https://sqs.REGION.amazonaws.com/ACCOUNT/NAME` */
function queueNameOf(queueUrl: string): string {
  return new URL(queueUrl).pathname.split('/').at(-1) ?? '';
}

function batchQueue(
  queue: MessageQueue,
  happenings: Happenings,
  runnerWith: (send: RunnerOptions['send']) => Runner,
): Omit<BatchQueue, 'name'> {
  // A call that ends with hundreds of objects undone sends a copy for each.
  const sends = new GroupedCalls<MessageToSend>({
    call: (messages) => queue.send(messages, NEVER),
    itemsPerCall: MESSAGES_PER_CALL,
    calls: SEND_CALLS,
  });
  return {
    runner: runnerWith((message) => sends.add(message)),
    giveBack: async (messages) => {
      const signal = AbortSignal.timeout(GIVE_BACK_MS);
      try {
        for (let start = 0; start < messages.length; start += MESSAGES_PER_CALL) {
          const some = messages.slice(start, start + MESSAGES_PER_CALL);
          await queue.changeVisibility(
            some.map((message) => ({ ...message, visibilitySec: 0 })),
            signal,
          );
        }
      } catch (error) {
        // They come back by themselves when their visibility ends.
        happenings.workerTroubled({ doing: 'giving messages back before their visibility ends', error });
      }
    },
  };
}
