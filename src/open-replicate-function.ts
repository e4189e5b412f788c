// The composition of the replicating Lambda function: what is opened once for the life of its process, and remembered
// from invocation to invocation. Everything in it is pure, WebAssembly or Node itself, so that one bundle runs on every
// processor.
import { openWasmChecksumEngine } from './checksums/wasm-checksums.ts';
import type { Config, Secrets } from './config/config.ts';
import type { ServiceAccess } from './config/shell-config.ts';
import type { Happenings } from './core/happenings.ts';
import { MESSAGES_PER_CALL, type MessageQueue } from './core/message-queue.ts';
import { openSqsMessageQueue } from './messages/sqs/sqs-message-queue.ts';
import { openAwsCredentials, openSource, openTarget, type StoresRequest } from './open-stores.ts';
import { ByteBudget } from './replication/byte-budget.ts';
import type { Stores } from './replication/copy-object.ts';
import { openRunner, type Runner, type RunnerOptions } from './replication/stateless/open-runner.ts';
import { SYSTEM_CLOCK as clock, SYSTEM_RANDOM as random } from './system-clock.ts';
import { createHappenings } from './telemetry/happenings.ts';
import { createJsonLogger } from './telemetry/json-logger.ts';
import { createMessageHappenings } from './telemetry/message-happenings.ts';
import { SILENT_METRICS } from './telemetry/silent-metrics.ts';
import { openHandOver } from './triggers/hand-over.ts';
import { type BatchQueue, createReplicator, LONGEST_INVOCATION_MS } from './triggers/lambda/replicate.ts';
import { MESSAGE_DOCUMENTS } from './triggers/message-documents.ts';

/** No request that writes lives longer than this, whatever the grace. */
const MAX_EFFECT_MS = 60_000;
/** No function moves more than this: what would need more time at this pace is not begun. */
const FASTEST_BYTES_PER_MS = (100 * 1024 * 1024) / 1000;
/** What giving messages back may take of the time that is kept for the answer. */
const GIVE_BACK_MS = 3_000;

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
  const { config, secrets, service, warnings, write } = options;
  const logger = createJsonLogger({ level: config.log.level, write, nowMs: clock.nowMs });
  for (const { setting, message } of warnings) logger.warn({ setting }, message);
  const telemetry = { logger, metrics: SILENT_METRICS };
  const happenings = { ...createHappenings(telemetry), ...createMessageHappenings(telemetry) };
  const request = { config, secrets, clock };
  const stores = await openStores(request);
  const queue = await openQueue(request);
  const onPartlyDone: Parameters<typeof createReplicator>[0]['onPartlyDone'] = ({ fault, ...counts }) =>
    logger.warn(
      { ...counts, ...(fault === null ? {} : { fault: fault.code, reason: fault.message }) },
      'batch partly done: the others come back, if the event source mapping has ReportBatchItemFailures',
    );
  const runnerWith = (invocationMs: number, send: RunnerOptions['send']): Runner =>
    openRunner({
      rules: config.rules,
      stores,
      clock,
      random,
      happenings,
      documents: MESSAGE_DOCUMENTS,
      send,
      handOver: service === null ? null : openHandOver(service),
      maxConcurrency: config.transfer.maxConcurrency,
      maxAttempts: config.retry.attempts,
      backoffMs: config.retry.backoffMs,
      graceMs: config.transfer.settleGraceMs,
      maxCarriedBytes: Math.floor(invocationMs * FASTEST_BYTES_PER_MS),
    });
  let handler: Handler | null = null;
  return async (event, context) => {
    // How long an invocation may take is told with the first one, and is the same for all that follow.
    const invocationMs = context.getRemainingTimeInMillis?.() ?? LONGEST_INVOCATION_MS;
    handler ??= createReplicator({
      queue: queue === null ? null : batchQueue(queue, happenings, (send) => runnerWith(invocationMs, send)),
      runner: runnerWith(invocationMs, null),
      clock,
      onPartlyDone,
    });
    return handler(event, context);
  };
}

async function openQueue(request: StoresRequest & { readonly config: Config }): Promise<MessageQueue | null> {
  const { config } = request;
  const { sqs } = config.intake;
  if (sqs === null) return null;
  const credentials = openAwsCredentials(request);
  return openSqsMessageQueue({ ...sqs, credentials, clock, connections: config.transfer.maxConcurrency });
}

function batchQueue(
  queue: MessageQueue,
  happenings: Happenings,
  runnerWith: (send: RunnerOptions['send']) => Runner,
): BatchQueue {
  return {
    runner: runnerWith(async (message, signal) => queue.send([message], signal)),
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

async function openStores(request: StoresRequest & { readonly config: Config }): Promise<Stores> {
  const { transfer } = request.config;
  // Every running transfer has at most one request at each side.
  const connections = transfer.maxConcurrency;
  return {
    source: await openSource(request, openAwsCredentials(request), connections),
    target: await openTarget(request, connections),
    deleteBrake: { ask: async () => Promise.reject(new Error('no brake')), objectAppeared: () => {} },
    checksums: await openWasmChecksumEngine(),
    clock,
    byteBudget: new ByteBudget(transfer.maxMemoryBytes),
    chunkBytes: transfer.chunkBytes,
    effectDeadlineMs: Math.min(MAX_EFFECT_MS, Math.floor(transfer.settleGraceMs / 2)),
  };
}
