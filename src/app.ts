// The composition root: the only file that picks drivers. It opens everything in order, hands each part its slice of
// the configuration, and closes in reverse.
import { randomUUID } from 'node:crypto';
import { openChecksumEngine } from './checksums/native-checksums.ts';
import type { Config, Secrets } from './config/config.ts';
import { isLoopbackHost } from './config/setting-parsers.ts';
import type { Happenings } from './core/happenings.ts';
import { expectedOwnerOf, type Rule } from './core/rule.ts';
import type { StoreState } from './core/store-state.ts';
import type { TransferQueue } from './core/transfer-queue.ts';
import { ApiPort } from './http/api-port.ts';
import type { HttpApp } from './http/http-deps.ts';
import { createHttpServer } from './http/server.ts';
import { openAlerts } from './open-alerts.ts';
import { openBodyProofs } from './open-body-proofs.ts';
import { openOverload, type Overload } from './open-overload.ts';
import { openCheckpointSealer } from './queues/checkpoint-sealer.ts';
import { openSqliteQueue, type SqliteStorage } from './queues/sqlite/sqlite-queue.ts';
import type { Alerts } from './replication/alerts.ts';
import { createIntake } from './replication/accept-change.ts';
import { CallerQuota } from './replication/caller-quota.ts';
import { ByteBudget } from './replication/byte-budget.ts';
import type { Stores } from './replication/copy-object.ts';
import { DeleteBrake } from './replication/delete-brake.ts';
import { createExplain } from './replication/explain-object.ts';
import { HeldDeletes } from './replication/held-deletes.ts';
import { openRuns, type OpenRuns } from './replication/open-runs.ts';
import { LagTally, tallied } from './replication/lag-tally.ts';
import { startPruning } from './replication/prune-history.ts';
import { startRechecking } from './replication/recheck-parked.ts';
import { startSweepingUploads } from './replication/sweep-uploads.ts';
import { Worker } from './replication/worker.ts';
import { googleAccessToken } from './google/access-token.ts';
import { openGcsTarget } from './stores/gcs/gcs-target.ts';
import { awsCredentials } from './aws/credentials.ts';
import { openS3Source } from './stores/s3/s3-source.ts';
import { SYSTEM_CLOCK as clock, SYSTEM_RANDOM as random } from './system-clock.ts';
import { createHappenings } from './telemetry/happenings.ts';
import { createLogger, type Logger } from './telemetry/logger.ts';
import { createRunHappenings } from './telemetry/run-happenings.ts';
import { createMetrics, type Metrics } from './telemetry/metrics.ts';
import { parseChangeDocument } from './triggers/s3-notification.ts';

/** How long a claim lasts without a heartbeat. */
const LEASE_MS = 30_000;
/** No request that writes lives longer than this, whatever the grace. */
const MAX_EFFECT_MS = 60_000;
/** Callers have this long to finish what they were sending when the service stops. */
const CLOSE_CONNECTIONS_MS = 5_000;
const TIMEOUTS = { connectMs: 10_000, headersMs: 60_000, bodyIdleMs: 30_000 };

export interface App {
  /** Where the API listens. */
  readonly url: string;
  readonly logger: Logger;
  /** Stops intake, lets running attempts finish or checkpoint within the grace, and closes everything. */
  close(): Promise<void>;
}

/** Opens the service. Throws, with everything closed again, where a part cannot be opened; the message says which. */
export async function openApp(options: {
  readonly config: Config;
  readonly secrets: Secrets;
  readonly version: string;
  /** Takes finished log lines. */
  readonly write: (text: string) => unknown;
  readonly isColored: boolean;
}): Promise<App> {
  const { config, secrets, version, write, isColored } = options;
  const logger = createLogger({ ...config.log, write, isColored });
  const metrics = createMetrics({ version, clock });
  const tally = new LagTally({ clock, objectiveMs: config.lagObjectiveMs });
  const happenings = tallied(createHappenings({ logger, metrics }), tally);
  const { rules } = config;

  await using opened = new AsyncDisposableStack();
  const queue = opened.adopt(await openQueue(config, secrets), async (open) => open.close());
  metrics.watchQueue(queue);
  const deleteBrake = opened.adopt(
    new DeleteBrake({ notes: queue.notes, clock, happenings }),
    async (brake) => brake.close(),
  );
  const heldDeletes = new HeldDeletes({ rules, queue, brake: deleteBrake, clock, happenings });
  metrics.watchBrakes(heldDeletes);
  const stores = { ...(await openStores(config, secrets, opened)), deleteBrake };
  startUpkeep(config, { queue, stores, happenings }, opened);
  opened.adopt(heldDeletes.startSweeping(), (sweeping) => sweeping.stop());
  const overload = await openOverload(config, { queue, logger, metrics }, opened);
  const parts = { queue, stores, happenings, metrics, logger };
  const runs = opened.adopt(await openRunsOver(config, { ...parts, ...overload, deleteBrake }), (open) =>
    open.stop(),
  );
  const worker = createWorker(config, { queue, stores, happenings });
  const storeStates = (): readonly StoreState[] => worker.storeStates();
  metrics.watchStores(storeStates);
  const told = { ...parts, ...overload, config, secrets, version, tally, heldDeletes };
  const alerts = openAlerts({ ...told, storeStates }, opened);
  worker.start();
  const port = new ApiPort(createServer(config, { ...told, runs, alerts, storeStates }));
  // Side by side: a caller that never finishes its request must not keep transfers from being given back.
  opened.defer(
    async () => void (await Promise.all([closePort(port, config), worker.stop(config.shutdownGraceMs)])),
  );
  const url = await port.open(config.http);
  const all = opened.move();
  logger.info(
    { url, auth: config.http.auth.kind, rules: rules.map(describeRule), version },
    'ready: the service accepts changes',
  );
  return {
    url,
    logger,
    close: async () => {
      logger.info(
        { graceMs: config.shutdownGraceMs },
        'stopping: running transfers finish or are given back',
      );
      await all.disposeAsync();
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
  readonly queue: SqliteStorage;
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
    clock,
    random,
    newId: randomUUID,
    runHappenings: createRunHappenings({ logger, metrics }),
    reconcileIntervalMs: config.reconcileIntervalMs,
    mayFeed: () => parts.gate.hostTroubles.length === 0,
    onCounted: (ruleName, objects) => parts.deleteBrake.objectsCounted(ruleName, objects),
  });
}

/** Forgets what is old, tries again what may have healed, and gives up what nobody goes on with. */
function startUpkeep(config: Config, parts: Parts, opened: AsyncDisposableStack): void {
  const { queue, stores, happenings } = parts;
  const { receiptRetentionMs: retentionMs } = config.storage;
  opened.adopt(startPruning({ queue, clock, happenings, retentionMs }), (pruning) => pruning.stop());
  opened.adopt(startRechecking({ queue, clock, happenings }), (rechecking) => rechecking.stop());
  opened.adopt(startSweepingUploads({ queue, target: stores.target, clock, happenings }), (sweep) =>
    sweep.stop(),
  );
}

function createWorker(config: Config, parts: Parts): Worker {
  return new Worker({
    ...parts,
    rules: config.rules,
    clock,
    random,
    maxConcurrency: config.transfer.maxConcurrency,
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
    },
): HttpApp {
  const { queue, stores, runs, heldDeletes, alerts, happenings, metrics, logger, version } = parts;
  const { gate, hostState, isReady, storeStates } = parts;
  const { rules } = config;
  const { auth } = config.http;
  return createHttpServer({
    rules,
    queue,
    heldDeletes,
    acceptChanges: createIntake({ rules, queue, happenings }),
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
    logger,
    ...openBodyProofs(config, parts.secrets),
    quota: new CallerQuota(config.intake.callerRatePerSec, clock),
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

async function openQueue(config: Config, secrets: Secrets): Promise<SqliteStorage> {
  const key = secrets.encryptionKey;
  return openSqliteQueue({
    directory: config.storage.dataDir,
    clock,
    leaseMs: LEASE_MS,
    settleGraceMs: config.transfer.settleGraceMs,
    maxRetryDelayMs: config.retry.backoffCapMs,
    // The bound by which an attempt decides whether an object is sent in one request: both must agree.
    smallMaxBytes: config.transfer.chunkBytes,
    sealer: key === null ? null : openCheckpointSealer(key.reveal()),
  });
}

async function openStores(
  config: Config,
  secrets: Secrets,
  opened: AsyncDisposableStack,
): Promise<Omit<Stores, 'deleteBrake'>> {
  const { rules, transfer } = config;
  // Every running transfer has at most one request at each side; looks of the API come on top.
  const connections = transfer.maxConcurrency + 16;
  const { aws, google } = secrets;
  const source = await openS3Source({
    region: config.source.region,
    endpoint: config.source.endpoint,
    credentials: awsCredentials({
      region: config.source.region,
      clock,
      accessKeyId: aws?.accessKeyId.reveal(),
      secretAccessKey: aws?.secretAccessKey.reveal(),
      sessionToken: aws?.sessionToken?.reveal(),
      roleArn: config.source.roleArn ?? undefined,
    }),
    expectedOwner: (bucket) => expectedOwnerOf(rules, bucket),
    clock,
    connections,
  });
  opened.defer(async () => source.close());
  const target = await openGcsTarget({
    endpoint: config.target.endpoint,
    accessToken:
      config.target.credentials === 'none'
        ? null
        : googleAccessToken(
            google === null
              ? { kind: 'default' }
              : {
                  kind: 'service_account',
                  key: {
                    type: 'service_account',
                    client_email: google.clientEmail,
                    private_key: google.privateKey.reveal(),
                    private_key_id: google.privateKeyId ?? undefined,
                    project_id: google.projectId ?? undefined,
                  },
                },
            clock,
          ),
    clock,
    timeouts: TIMEOUTS,
    connections,
  });
  opened.defer(async () => target.close());
  return {
    source,
    target,
    checksums: await openChecksumEngine(),
    clock,
    byteBudget: new ByteBudget(transfer.maxMemoryBytes),
    chunkBytes: transfer.chunkBytes,
    // A write that was sent must have landed or died well before the settle look.
    effectDeadlineMs: Math.min(MAX_EFFECT_MS, Math.floor(transfer.settleGraceMs / 2)),
  };
}

function describeRule(rule: Rule): string {
  const { source, target } = rule;
  const bucketPart = target.prependBucket ? '{bucket}/' : '';
  return `${rule.name}: s3://${source.bucket}/${source.prefix}*${source.suffix} -> gs://${target.bucket}/${target.prefix}${bucketPart}`;
}
