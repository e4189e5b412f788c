// The HTTP API over the memory queue, listening on a free port of loopback: what the tests of this folder talk to.
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';
import type { OverloadHappenings } from '../../core/overload.ts';
import type { Rule } from '../../core/rule.ts';
import { PLAIN_RULE } from '../../core/testing/samples.ts';
import type { ClaimedTransfer, TransferQueue } from '../../core/transfer-queue.ts';
import type { Receipt } from '../../core/transfer.ts';
import { openMemoryNotes } from '../../queues/memory/memory-notes.ts';
import { openMemoryQueue } from '../../queues/memory/memory-queue.ts';
import { createIntake } from '../../replication/accept-change.ts';
import { CallerQuota } from '../../replication/caller-quota.ts';
import { DeleteBrake } from '../../replication/delete-brake.ts';
import { HeldDeletes } from '../../replication/held-deletes.ts';
import { IntakeGate } from '../../replication/intake-gate.ts';
import { SILENT_OVERLOAD } from '../../replication/testing/silent-overload.ts';
import { parseChangeDocument } from '../../triggers/s3-notification.ts';
import type { HttpApp, HttpServerDeps } from '../http-deps.ts';
import { createHttpServer } from '../server.ts';
import { ManualClock } from './manual-clock.ts';

interface LogLine {
  readonly level: 'info' | 'warn' | 'error';
  readonly facts: Record<string, unknown>;
  readonly message: string;
}

export interface TestApi {
  readonly app: HttpApp;
  readonly url: string;
  readonly port: number;
  readonly queue: TransferQueue;
  readonly clock: ManualClock;
  readonly brake: DeleteBrake;
  readonly log: readonly LogLine[];
  /** Sends a request; `json` becomes the body with its content type. */
  call(method: string, path: string, request?: CallRequest): Promise<CallAnswer>;
  /** Takes one due transfer, as a worker does. Fails the test where there is none. */
  claimOne(): Promise<ClaimedTransfer>;
}

interface CallRequest {
  readonly json?: unknown;
  readonly body?: string | Uint8Array<ArrayBuffer>;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface CallAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The body as JSON; null where it is none. */
  readonly json: Record<string, unknown> | null;
}

export const PHOTOS_RULE: Rule = {
  ...PLAIN_RULE,
  source: { ...PLAIN_RULE.source, bucket: 'photos' },
  target: { ...PLAIN_RULE.target, bucket: 'photos-copy', prefix: 'from-s3/' },
};

const DOCS_RULE: Rule = {
  ...PHOTOS_RULE,
  name: 'docs',
  source: { ...PHOTOS_RULE.source, bucket: 'docs', prefix: 'public/' },
};

export function receiptOf(fields: Partial<Receipt> = {}): Receipt {
  return {
    etag: '9b2cf535f27731c974343645a3985328',
    versionId: null,
    sizeBytes: 12,
    sourceChecksum: 'crc64nvme:AAAAAAAAAAA=',
    crc32c: 'yZRlqg==',
    generation: '1763888400000001',
    verified: 'source',
    finishedAtMs: Date.UTC(2026, 10, 23, 9, 31),
    lagMs: 1200,
    droppedMetadata: [],
    ...fields,
  };
}

type ReplacedDeps = Omit<Partial<HttpServerDeps>, 'runs'> & {
  readonly runs?: Partial<HttpServerDeps['runs']>;
};

/** Opens the API for one test and closes it when the test ends. `deps` replaces single dependencies. */
export async function openTestApi(t: TestContext, deps: ReplacedDeps = {}): Promise<TestApi> {
  const clock = new ManualClock();
  let lastId = 0;
  const queue =
    deps.queue ??
    openMemoryQueue({
      clock,
      leaseMs: 60_000,
      settleGraceMs: 5_000,
      smallMaxBytes: 1_000_000,
      newId: () => `transfer-${++lastId}`,
    });
  const rules = deps.rules ?? [PHOTOS_RULE, DOCS_RULE];
  const happenings = SILENT_HAPPENINGS;
  const brake = new DeleteBrake({ notes: openMemoryNotes(), clock, happenings });
  const log: LogLine[] = [];
  const write = (level: LogLine['level']) => (facts: object, message: string) => {
    log.push({ level, facts: { ...facts }, message });
  };
  const app = createHttpServer({
    acceptChanges: createIntake({ rules, queue, happenings: SILENT_HAPPENINGS }),
    heldDeletes: new HeldDeletes({ rules, queue, brake, clock, happenings }),
    explain: async (source) => ({ source, rules: [], reason: 'no rule covers this object' }),
    parseChangeDocument,
    clock,
    apiKeys: [],
    auth: 'loopback',
    isLoopbackOnly: true,
    publicUrl: null,
    metrics: async () => ({
      contentType: 'text/plain; version=0.0.4; charset=utf-8',
      text: 'replicator_backlog_transfers 0\n',
    }),
    version: '0.1.0',
    isReady: async () => ({ ready: true, checks: [{ name: 'queue', isOk: true, detail: null }] }),
    gate: loggingGate(clock, write('error')),
    quota: new CallerQuota(null, clock),
    ...ALL_WELL,
    logger: { info: write('info'), warn: write('warn'), error: write('error') },
    ...deps,
    // The test itself runs in the turns of the server: it would be taken for a flood on a slow machine.
    limits: { intakeTurnMs: Number.POSITIVE_INFINITY, ...deps.limits },
    rules,
    queue,
    runs: { backfill: NO_RUNS, reconcile: NO_RUNS, ...deps.runs },
  });
  t.after(async () => {
    await app.close();
    await queue.close();
  });
  await app.listen({ port: 0, host: '127.0.0.1' });
  const { port } = app.server.address() as AddressInfo;
  const url = `http://127.0.0.1:${port}`;
  return {
    app,
    url,
    port,
    queue,
    clock,
    brake,
    log,
    call: async (method, path, request) => call(method, url + path, request),
    claimOne: async () => {
      const [claimed] = await queue.claim({ total: 1, large: 1 });
      if (claimed === undefined) throw new Error('No transfer is due');
      return claimed;
    },
  };
}

async function call(method: string, url: string, request: CallRequest = {}): Promise<CallAnswer> {
  const { json, headers = {} } = request;
  const body = json === undefined ? request.body : JSON.stringify(json);
  const answer = await fetch(url, {
    method,
    redirect: 'manual',
    headers: { ...(json === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
    ...(body === undefined ? {} : { body }),
  });
  const text = await answer.text();
  const isJson = /^application\/(?:problem\+)?json/.test(answer.headers.get('content-type') ?? '');
  return {
    status: answer.status,
    headers: answer.headers,
    text,
    json: isJson && text !== '' ? (JSON.parse(text) as Record<string, unknown>) : null,
  };
}

function loggingGate(clock: ManualClock, log: (facts: object, message: string) => void): IntakeGate {
  const overloadBegan: OverloadHappenings['overloadBegan'] = ({ reason, error }) =>
    log({ reason, err: error }, 'overload begins');
  return new IntakeGate({ clock, happenings: { ...SILENT_OVERLOAD, overloadBegan } });
}

/** A service that has nothing to tell of itself, and believes keys only. */
const ALL_WELL = {
  checkSignature: null,
  sns: null,
  alerts: { active: () => [], receiver: () => null, sendTest: async () => null },
  hostState: () => ({ freeDiskBytes: 1_000_000_000, loopLagMs: 0 }),
  storeStates: () => [],
  messageIntake: () => null,
};

const SILENT_HAPPENINGS = {
  changeAccepted() {},
  changeIgnored() {},
  deliveryRepeated() {},
  recordQuarantined() {},
  transferStarted() {},
  uploadResumed() {},
  transferFinished() {},
  transferRetrying() {},
  transferParked() {},
  parkedRechecked() {},
  parkedClassRedriven() {},
  brakeTripped() {},
  transferReleased() {},
  uploadTooSlow() {},
  uploadsSwept() {},
  transferSpaced() {},
  leaseLost() {},
  storeDown() {},
  storeUp() {},
  workerTroubled() {},
};

/** Knows no run and begins none. */
const NO_RUNS = {
  list: () => [],
  get: () => null,
  start: async () => Promise.reject(new Error('This test begins no runs')),
  cancel: async () => null,
};
