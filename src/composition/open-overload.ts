// The bounds of intake put together: the gate, the watch over disk and process that closes it, and readiness.
import type { Config } from '../config/config.ts';
import type { TransferQueue } from '../core/transfer-queue.ts';
import type { Readiness } from '../http/http-deps.ts';
import { type HostWatch, startHostWatch } from '../replication/host-watch.ts';
import { IntakeGate } from '../replication/intake-gate.ts';
import { SYSTEM_CLOCK as clock } from '../system-clock.ts';
import { openHostSensors } from '../telemetry/host-sensors.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { createOverloadHappenings } from '../telemetry/overload-metrics.ts';

const READINESS_MS = 2_000;

type WatchedQueue = Pick<TransferQueue, 'checkWritable'>;

export interface Overload {
  readonly gate: IntakeGate;
  readonly hostState: HostWatch['state'];
  /** Whether requests may be sent here: the queue can write, and its disk has its reserve. */
  readonly isReady: () => Promise<Readiness>;
}

/** Opens the bounds of intake, and the watch over disk and process that closes it; it ends with `opened`. */
export async function openOverload(
  config: Config,
  told: { readonly queue: WatchedQueue; readonly logger: Logger; readonly metrics: Metrics },
  opened: AsyncDisposableStack,
): Promise<Overload> {
  const { kind, dataDir, minFreeDiskBytes } = config.storage;
  const happenings = createOverloadHappenings({ ...told, queueKind: kind });
  const gate = new IntakeGate({ limits: { bodyBytes: config.http.maxBodyBytes }, clock, happenings });
  const sensors = opened.use(openHostSensors(kind === 'sqlite' ? dataDir : null));
  const watch = await startHostWatch({ sensors, gate, clock, happenings, minFreeDiskBytes });
  opened.defer(async () => watch.stop());
  told.metrics.overload.watch(() => ({ ...watch.state(), ...gate.load }));
  return {
    gate,
    hostState: () => watch.state(),
    isReady: readinessOf({ queue: told.queue, gate, hasDisk: kind === 'sqlite' }),
  };
}

interface Probed {
  readonly queue: WatchedQueue;
  readonly gate: IntakeGate;
  /** False where the queue lies on another machine. */
  readonly hasDisk: boolean;
}

/** The probe writes to the disk, and the path is open to everybody: one probe serves all who ask meanwhile. */
function readinessOf(probed: Probed): () => Promise<Readiness> {
  let askedMs = Number.NEGATIVE_INFINITY;
  let answer: Promise<Readiness> | null = null;
  return async () => {
    if (answer === null || clock.monotonicMs() - askedMs >= READINESS_MS) {
      askedMs = clock.monotonicMs();
      answer = probe(probed);
    }
    return answer;
  };
}

async function probe({ queue, gate, hasDisk }: Probed): Promise<Readiness> {
  const full = gate.hostTroubles.find(({ reason }) => reason === 'disk_reserve') ?? null;
  const others = hasDisk ? [{ name: 'disk', isOk: full === null, detail: full?.detail ?? null }] : [];
  try {
    await queue.checkWritable();
    return { ready: full === null, checks: [{ name: 'queue', isOk: true, detail: null }, ...others] };
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error);
    return { ready: false, checks: [{ name: 'queue', isOk: false, detail }, ...others] };
  }
}
