// The composition root of the service: it opens everything in order, hands each part its slice of
// the configuration, and closes in reverse.
import { randomUUID } from 'node:crypto';
import type { Config, Secrets } from './config/config.ts';
import { isLoopbackHost } from './config/setting-parsers.ts';
import type { Happenings } from './core/happenings.ts';
import type { Rule } from './core/rule.ts';
import type { QueueStorage } from './core/queue-storage.ts';
import type { StoreState } from './core/store-state.ts';
import type { TransferQueue } from './core/transfer-queue.ts';
import { ApiPort } from './http/api-port.ts';
import type { HttpApp } from './http/http-deps.ts';
import { createHttpServer } from './http/server.ts';
import { openAlerts } from './composition/open-alerts.ts';
import { openBodyProofs } from './composition/open-body-proofs.ts';
import { openOverload, type Overload } from './composition/open-overload.ts';
import { openQueue } from './composition/open-queue.ts';
import { openCopyingStores } from './composition/open-copying-stores.ts';
import { openAwsCredentials } from './composition/open-stores.ts';
import { openSqsIntake, type SqsIntake } from './composition/open-sqs-intake.ts';
import type { Alerts } from './replication/alerts.ts';
import { type AcceptChanges, createIntake } from './replication/accept-change.ts';
import { CallerQuota } from './replication/caller-quota.ts';
import type { Stores } from './replication/copy-object.ts';
import { DeleteBrake } from './replication/delete-brake.ts';
import { createExplain } from './replication/explain-object.ts';
import { HeldDeletes } from './replication/held-deletes.ts';
import { LeaderDuty } from './replication/leader-duty.ts';
import { openRuns, type OpenRuns } from './replication/open-runs.ts';
import { LagTally, tallied } from './replication/lag-tally.ts';
import { startPruning } from './replication/prune-history.ts';
import { startRechecking } from './replication/recheck-parked.ts';
import { startSweepingUploads } from './replication/sweep-uploads.ts';
import { Worker } from './replication/worker.ts';
import { SYSTEM_CLOCK as clock, SYSTEM_RANDOM as random } from './system-clock.ts';
import { createBusyShare } from './telemetry/busy-share.ts';
import { createHappenings } from './telemetry/happenings.ts';
import { createJsonLogger } from './telemetry/json-logger.ts';
import { createLogger, type Logger } from './telemetry/logger.ts';
import { createRunHappenings } from './telemetry/run-happenings.ts';
import { createMetrics, type Metrics } from './telemetry/metrics.ts';
import { parseChangeDocument } from './triggers/s3-notification.ts';

/** How long a claim lasts without a heartbeat. */
const LEASE_MS = 30_000;
/** Callers have this long to finish what they were sending when the service stops. */
const CLOSE_CONNECTIONS_MS = 5_000;

export interface App {
  /** Where the API listens. */
  readonly url: string;
  readonly logger: Logger;
  /** Stops intake, lets running attempts finish or checkpoint within the grace, and closes everything. */
  close(): Promise<void>;
}

/**
 * What a process does of the service: everything; `intake`: it takes changes, answers the API and leaves the attempts
 * to others on the same database; `attempts`: it works, and polls no message queue.
 */
export type ServicePart = 'all' | 'intake' | 'attempts';

interface AppOptions {
  readonly config: Config;
  readonly secrets: Secrets;
  readonly part: ServicePart;
  readonly version: string;
  /** Takes finished log lines. */
  readonly write: (text: string) => unknown;
  readonly isColored: boolean;
  /** Ends the process at once, as a crash does: the disk failed, and whoever ends in good order would write to it. */
  readonly crash: () => void;
}

/** Opens the service. Throws, with everything closed again, where a part cannot be opened; the message says which. */
export async function openApp(options: AppOptions): Promise<App> {
  const { config, secrets, part, version, write, isColored, crash } = options;
  const logger =
    config.log.format === 'json'
      ? createJsonLogger({ ...config.log, write, nowMs: () => clock.nowMs() })
      : createLogger({ ...config.log, write, isColored });
  const metrics = createMetrics({ version, clock });
  const tally = new LagTally({ clock, objectiveMs: config.lagObjectiveMs });
  const happenings = tallied(createHappenings({ logger, metrics }), tally);
  const { rules } = config;

  await using opened = new AsyncDisposableStack();
  const queue = opened.adopt(
    await openQueue({ config, secrets, clock, leaseMs: LEASE_MS, logger, crash }),
    async (open) => open.close(),
  );
  metrics.watchQueue(queue);
  const deleteBrake = opened.adopt(
    new DeleteBrake({ notes: queue.notes, clock, happenings }),
    async (brake) => brake.close(),
  );
  const heldDeletes = new HeldDeletes({ rules, queue, brake: deleteBrake, clock, happenings });
  metrics.watchBrakes(heldDeletes);
  const credentials = openAwsCredentials({ config, secrets, clock });
  // Looks of the API come on top of what transfers need.
  const copying = { credentials, looks: 16, graceMs: config.transfer.settleGraceMs };
  const stores = {
    ...(await openCopyingStores({ config, secrets, clock }, copying, opened)),
    deleteBrake,
  };
  await startUpkeep(config, { queue, stores, happenings, heldDeletes }, opened);
  const overload = await openOverload(config, { queue, logger, metrics }, opened);
  const parts = { queue, stores, happenings, metrics, logger };
  const runs = opened.adopt(await openRunsOver(config, { ...parts, ...overload, deleteBrake }), (open) =>
    open.stop(),
  );
  const worker = createWorker(config, { queue, stores, happenings });
  const storeStates = (): readonly StoreState[] => worker.storeStates();
  metrics.watchStores(storeStates);
  const told = { ...parts, ...overload, config, secrets, version, tally, heldDeletes };
  const acceptChanges = createIntake({ rules, queue, happenings });
  const sqs = await openSqsIntake(
    { ...told, credentials, acceptChanges, isPolled: part !== 'attempts' },
    opened,
  );
  const messageQueueTrouble = () => sqs.state()?.trouble ?? null;
  const alerts = openAlerts({ ...told, storeStates, messageQueueTrouble }, opened);
  if (part !== 'intake') worker.start();
  const port = new ApiPort(createServer(config, { ...told, runs, alerts, storeStates, sqs, acceptChanges }));
  // Side by side: a caller that never finishes its request must not keep transfers from being given back.
  opened.defer(async () => {
    const { shutdownGraceMs } = config;
    await Promise.all([closePort(port, config), worker.stop(shutdownGraceMs), sqs.stop(shutdownGraceMs)]);
  });
  const url = await port.open(config.http);
  sqs.start();
  logger.info(
    { url, part, auth: config.http.auth.kind, rules: rules.map(describeRule), version },
    'ready: the service accepts changes',
  );
  return runningApp({ url, logger, graceMs: config.shutdownGraceMs, opened: opened.move() });
}

function runningApp(parts: {
  readonly url: string;
  readonly logger: Logger;
  readonly graceMs: number;
  readonly opened: AsyncDisposableStack;
}): App {
  const { url, logger, graceMs, opened } = parts;
  return {
    url,
    logger,
    close: async () => {
      logger.info({ graceMs }, 'stopping: running transfers finish or are given back');
      await opened.disposeAsync();
      logger.info({}, 'stopped: everything accepted is kept');
    },
  };
}

interface Parts {
  readonly queue: TransferQueue;
  readonly stores: Stores;
  readonly happenings: Happenings;
}

interface ToldParts extends Parts {
  readonly queue: QueueStorage;
  readonly metrics: Metrics;
  readonly logger: Logger;
}

/** Backfills and reconciles go on where they were. */
async function openRunsOver(
  config: Config,
  parts: ToldParts & Overload & { readonly deleteBrake: DeleteBrake },
): Promise<OpenRuns> {
  const { queue, metrics, logger } = parts;
  return openRuns({
    ...parts,
    rules: config.rules,
    notes: queue.notes,
    leadership: queue.leadership,
    clock,
    random,
    newId: randomUUID,
    runHappenings: createRunHappenings({ logger, metrics }),
    reconcileIntervalMs: config.reconcileIntervalMs,
    mayFeed: () => parts.gate.hostTroubles.length === 0,
    onCounted: (ruleName, objects) => parts.deleteBrake.objectsCounted(ruleName, objects),
  });
}

/**
 * Forgets what is old, tries again what may have healed, and gives up what nobody goes on with. Of several processes
 * that share the queue one does it.
 */
async function startUpkeep(
  config: Config,
  parts: Parts & { readonly queue: QueueStorage; readonly heldDeletes: HeldDeletes },
  opened: AsyncDisposableStack,
): Promise<void> {
  const { queue, stores, happenings, heldDeletes } = parts;
  const { receiptRetentionMs: retentionMs } = config.storage;
  const duty = await LeaderDuty.open({
    leadership: queue.leadership,
    clock,
    happenings,
    doing: 'beginning the upkeep of the queue',
    begin: () => {
      const begun = [
        startPruning({ queue, clock, happenings, retentionMs }),
        startRechecking({ queue, clock, happenings }),
        startSweepingUploads({ queue, target: stores.target, clock, happenings }),
        heldDeletes.startSweeping(),
      ];
      return { stop: async () => void (await Promise.all(begun.map(async (one) => one.stop()))) };
    },
  });
  opened.adopt(duty, (open) => open.stop());
}

function createWorker(config: Config, parts: Parts): Worker {
  return new Worker({
    ...parts,
    rules: config.rules,
    clock,
    random,
    maxConcurrency: config.transfer.maxConcurrency,
    busyShare: createBusyShare(),
    maxAttempts: config.retry.attempts,
    backoff: { baseMs: config.retry.backoffMs, capMs: config.retry.backoffCapMs },
    leaseMs: LEASE_MS,
  });
}

function createServer(
  config: Config,
  parts: ToldParts &
    Overload & {
      readonly runs: OpenRuns;
      readonly heldDeletes: HeldDeletes;
      readonly alerts: Alerts;
      readonly secrets: Secrets;
      readonly version: string;
      readonly storeStates: () => readonly StoreState[];
      readonly sqs: SqsIntake;
      readonly acceptChanges: AcceptChanges;
    },
): HttpApp {
  const { queue, stores, runs, heldDeletes, alerts, metrics, logger, version } = parts;
  const { gate, hostState, isReady, storeStates, sqs, acceptChanges } = parts;
  const { rules } = config;
  const { auth } = config.http;
  return createHttpServer({
    rules,
    queue,
    heldDeletes,
    acceptChanges,
    explain: createExplain({ rules, queue, source: stores.source, target: stores.target, clock }),
    runs,
    parseChangeDocument,
    clock,
    apiKeys: auth.kind === 'keys' ? auth.keys : [],
    auth: auth.kind,
    isLoopbackOnly: auth.kind === 'loopback' || isLoopbackHost(config.http.host),
    publicUrl: config.http.publicUrl,
    metrics: async () => metrics.render(),
    version,
    isReady,
    gate,
    hostState,
    alerts,
    storeStates,
    messageIntake: () => sqs.state(),
    logger,
    ...openBodyProofs(config, parts.secrets),
    // Where nobody shows a key, all are one caller.
    quota: new CallerQuota(auth.kind === 'keys' ? config.intake.callerRatePerSec : null, clock),
    limits: { connections: config.http.maxConnections },
  });
}

/** Stops listening at once; connections that are still busy after a few seconds are cut. */
async function closePort(port: ApiPort, config: Config): Promise<void> {
  const isClosed = new AbortController();
  const cut = clock
    .sleep(Math.min(CLOSE_CONNECTIONS_MS, config.shutdownGraceMs), isClosed.signal)
    .then(() => port.cutConnections())
    .catch(() => {});
  await port.close();
  isClosed.abort();
  await cut;
}

function describeRule(rule: Rule): string {
  const { source, target } = rule;
  const bucketPart = target.prependBucket ? '{bucket}/' : '';
  return `${rule.name}: s3://${source.bucket}/${source.prefix}*${source.suffix} -> gs://${target.bucket}/${target.prefix}${bucketPart}`;
}
