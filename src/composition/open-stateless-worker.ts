// The composition of the worker without a database: the queue that messages come from, both stores, and nothing that
// would have to be kept.
import type { Config, Secrets } from '../config/config.ts';
import { isLoopbackHost } from '../config/setting-parsers.ts';
import type { ServiceAccess } from '../config/shell-config.ts';
import { Fault } from '../core/faults.ts';
import type { MessageQueue, MessageQueueFacts } from '../core/message-queue.ts';
import { openWatchServer } from '../http/watch-server.ts';
import { openSqsMessageQueue } from '../messages/sqs/sqs-message-queue.ts';
import { openShellBrake } from './open-shell-brake.ts';
import { openCopyingStores } from './open-copying-stores.ts';
import { openAwsCredentials } from './open-stores.ts';
import type { Stores } from '../replication/copy-object.ts';
import { graceOfMessages, openRunner, type RunnerOptions } from '../replication/stateless/open-runner.ts';
import { StatelessWorker, type StatelessWorkerOptions } from '../replication/stateless/stateless-worker.ts';
import { SYSTEM_CLOCK as clock, SYSTEM_RANDOM as random } from '../system-clock.ts';
import { createBusyShare } from '../telemetry/busy-share.ts';
import { createHappenings } from '../telemetry/happenings.ts';
import { createLogger, type Logger } from '../telemetry/logger.ts';
import { createMessageHappenings } from '../telemetry/message-happenings.ts';
import { createMessageIntakeHappenings } from '../telemetry/message-intake-happenings.ts';
import { createMetrics, type Metrics } from '../telemetry/metrics.ts';
import { openHandOver } from '../triggers/hand-over.ts';
import { MESSAGE_DOCUMENTS } from '../triggers/message-documents.ts';

/** The longest that a receive waits, and what part of the visibility it may be: that is counted from before it. */
const LONG_POLL_SEC = 20;
const LONG_POLL_SHARE = 0.25;
/** A message cannot be hidden for more than twelve hours; what is left is for an orderly end. */
const LONGEST_HOLD_MS = 11 * 3_600_000;
/** Receives that wait, and calls that acknowledge, extend and send. */
const QUEUE_CONNECTIONS = 32;
/** The first look at the queue must not keep the process from starting for long. */
const FACTS_MS = 20_000;
/** How many messages wait is asked for so often. */
const FACTS_EVERY_MS = 60_000;

export interface RunningWorker {
  readonly logger: Logger;
  /** Stops receiving, lets what runs end within the grace, gives the rest back, and closes everything. */
  close(): Promise<void>;
}

export interface WorkerShellOptions {
  readonly config: Config;
  readonly secrets: Secrets;
  readonly queue: NonNullable<Config['intake']['sqs']>;
  /** Takes over what cannot be copied while a message can be held; null where no service is named. */
  readonly service: ServiceAccess | null;
  /** Health and metrics are told at the port of the configuration. */
  readonly isPortGiven: boolean;
  readonly version: string;
  /** Takes finished log lines. */
  readonly write: (text: string) => unknown;
  readonly isColored: boolean;
}

type WorkerHappenings = RunnerOptions['happenings'] & StatelessWorkerOptions['happenings'];

/** Opens the worker. Throws, with everything closed again, where a part cannot be opened; the message says which. */
export async function openStatelessWorker(options: WorkerShellOptions): Promise<RunningWorker> {
  const { config, secrets, service, version, write, isColored } = options;
  const { queueUrl } = options.queue;
  const visibilitySec = config.intake.sqsVisibilitySec;
  const logger = createLogger({ ...config.log, write, isColored });
  const metrics = createMetrics({ version, clock });
  const happenings: WorkerHappenings = {
    ...createHappenings({ logger, metrics }),
    ...createMessageHappenings({ logger, metrics: metrics.messages }),
    ...createMessageIntakeHappenings({ logger, metrics }),
  };
  await using opened = new AsyncDisposableStack();
  const credentials = openAwsCredentials({ config, secrets, clock });
  const queue = opened.adopt(
    await openSqsMessageQueue({ ...options.queue, credentials, clock, connections: QUEUE_CONNECTIONS }),
    async (open) => open.close(),
  );
  const facts = await readFacts(queue, queueUrl, logger);
  const stores = await openWorkerStores(options, happenings, credentials, opened);
  const worker = new StatelessWorker({
    queue,
    queueUrl,
    clock,
    random,
    happenings,
    openRunner: (own) => openRunner({ ...runnerOptions(config, service, stores, happenings), ...own }),
    maxConcurrency: config.transfer.maxConcurrency,
    visibilitySec,
    longestHoldMs: LONGEST_HOLD_MS,
    longPollSec: Math.min(LONG_POLL_SEC, Math.floor(visibilitySec * LONG_POLL_SHARE)),
  });
  metrics.watchStores(() => worker.storeStates());
  const waiting = keepAsking(queue, facts, opened);
  metrics.messageIntake.watch(() => ({ ...worker.state(), queueUrl, pause: null, waiting: waiting() }));
  const url = options.isPortGiven ? await openWatch(config, worker, metrics, opened) : null;
  opened.defer(async () => worker.stop(config.shutdownGraceMs));
  worker.start();
  const rules = config.rules.map(({ name }) => name);
  logger.info(
    { queueUrl, rules, handsOverTo: service?.url ?? null, ...(url === null ? {} : { url }), version },
    'ready: the worker copies straight from messages of the queue',
  );
  const all = opened.move();
  return {
    logger,
    close: async () => {
      logger.info(
        { graceMs: config.shutdownGraceMs },
        'stopping: what runs ends, everything else goes back to the queue',
      );
      await all.disposeAsync();
      logger.info({}, 'stopped: what is not done is in the queue');
    },
  };
}

async function openWorkerStores(
  { config, secrets }: WorkerShellOptions,
  happenings: WorkerHappenings,
  credentials: ReturnType<typeof openAwsCredentials>,
  opened: AsyncDisposableStack,
): Promise<Stores> {
  const request = { config, secrets, clock };
  const { brake } = opened.adopt(await openShellBrake({ ...request, happenings }), async (open) =>
    open.close(),
  );
  const parts = { credentials, looks: 0, graceMs: graceOfMessages(config.transfer.settleGraceMs) };
  return { ...(await openCopyingStores(request, parts, opened)), deleteBrake: brake };
}

function runnerOptions(
  { rules, retry, transfer }: Config,
  service: ServiceAccess | null,
  stores: Stores,
  happenings: WorkerHappenings,
): Omit<RunnerOptions, 'send' | 'onFree'> {
  return {
    rules,
    stores,
    clock,
    random,
    happenings,
    documents: MESSAGE_DOCUMENTS,
    handOver: service === null ? null : openHandOver(service),
    maxConcurrency: transfer.maxConcurrency,
    busyShare: createBusyShare(),
    maxAttempts: retry.attempts,
    backoffMs: retry.backoffMs,
    graceMs: transfer.settleGraceMs,
    maxCarriedBytes: null,
  };
}

/**
 * What the queue says of itself. A queue that is not there, or not allowed, ends the start with its fault; one that does
 * not answer now does not, because it is asked again anyway: null then.
 */
async function readFacts(
  queue: MessageQueue,
  queueUrl: string,
  logger: Logger,
): Promise<MessageQueueFacts | null> {
  let facts: MessageQueueFacts;
  try {
    facts = await queue.facts(AbortSignal.timeout(FACTS_MS));
  } catch (error) {
    if (error instanceof Fault && error.disposition !== 'wait_for_store') throw error;
    const reason = error instanceof Error ? error.message : String(error);
    logger.warn({ queueUrl, reason }, 'the queue does not answer yet: it is asked again until it does');
    return null;
  }
  if (facts.isFifo)
    throw new Fault(
      'queue_refused',
      `${queueUrl} is a FIFO queue: it takes no delay for a single message, and a look that is due later needs one. Use a standard queue`,
    );
  if (facts.maxReceiveCount === null)
    logger.warn(
      { queueUrl },
      'the queue has no dead-letter policy: a message that nobody can handle comes back until its retention ends. Set a redrive policy with maxReceiveCount 5 or more',
    );
  return facts;
}

/** Asks the queue again and again how many messages wait, for the metrics. Returns the latest answer. */
function keepAsking(
  queue: MessageQueue,
  first: MessageQueueFacts | null,
  opened: AsyncDisposableStack,
): () => number | null {
  let waiting = first?.waiting ?? null;
  const stopping = new AbortController();
  const { signal } = stopping;
  const ask = async (): Promise<void> => {
    while (!signal.aborted) {
      await clock.sleep(FACTS_EVERY_MS, signal).catch(() => {});
      if (signal.aborted) return;
      // Where it does not answer, the receives tell it.
      const facts = await queue
        .facts(AbortSignal.any([signal, AbortSignal.timeout(FACTS_MS)]))
        .catch(() => null);
      waiting = facts?.waiting ?? null;
    }
  };
  const asking = ask();
  opened.defer(async () => {
    stopping.abort();
    await asking;
  });
  return () => waiting;
}

async function openWatch(
  { http }: Config,
  worker: StatelessWorker,
  metrics: Metrics,
  opened: AsyncDisposableStack,
): Promise<string> {
  const { auth, host, port } = http;
  const server = await openWatchServer({
    host,
    port,
    auth: auth.kind,
    apiKeys: auth.kind === 'keys' ? auth.keys : [],
    isLoopbackOnly: auth.kind === 'loopback' || isLoopbackHost(host),
    trouble: () => worker.state().trouble?.fault.message ?? null,
    metrics: async () => metrics.render(),
  });
  opened.defer(async () => server.close());
  return server.url;
}
