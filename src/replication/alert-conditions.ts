// Decides what is wrong now, from facts alone: each trouble has a key that stays the same as long as it lasts.
import type { Alert } from '../core/alert.ts';
import type { BrakeTrip } from '../core/delete-brake.ts';
import { type FaultCode, FAULTS } from '../core/faults.ts';
import type { MessageQueueTrouble } from '../core/message-intake.ts';
import type { StoreState } from '../core/store-state.ts';
import type { ParkedClass, QueueCounts } from '../core/transfer-queue.ts';
import type { DayTally } from './lag-tally.ts';

/** 99.99 % of the changes are to be at the target within the objective. */
const LATE_SHARE_LIMIT = 0.0001;

/** An alert as it is found. `sinceMs` null: since somebody noticed. */
export type Condition = Omit<Alert, 'sinceMs'> & { readonly sinceMs: number | null };

/** A store as the worker sees it; `down` null while it answers. */
export type StoreSeen = Pick<StoreState, 'store' | 'down'>;

/** The brake of a rule that mirrors deletes; `trip` null while deletes pass. */
export interface BrakeSeen {
  readonly ruleName: string;
  readonly trip: BrakeTrip | null;
}

export interface AlertFacts {
  /** What the queue tells; a text is the reason why it does not. */
  readonly queue:
    | {
        readonly counts: QueueCounts;
        readonly parked: readonly ParkedClass[];
        readonly brakes: readonly BrakeSeen[];
      }
    | { readonly problem: string };
  readonly stores: readonly StoreSeen[];
  /** Null where the message queue can be used, or none is. */
  readonly messageQueue: MessageQueueTrouble | null;
  /** What the disk of the queue lacks; null where it has its reserve. */
  readonly diskProblem: string | null;
  readonly lastDay: DayTally;
  readonly objectiveMs: number;
  readonly nowMs: number;
}

/** Everything that is wrong, the gravest first. */
export function findConditions(facts: AlertFacts): readonly Condition[] {
  return [
    ...queueConditions(facts),
    ...diskConditions(facts),
    ...storeConditions(facts),
    ...messageQueueConditions(facts),
    ...brakeConditions(facts),
    ...parkedConditions(facts),
    ...lagConditions(facts),
    ...lateShareConditions(facts),
    ...quarantineConditions(facts),
  ];
}

const NOTHING = { ruleName: null, faultCode: null, store: null, count: null, sinceMs: null } as const;

function queueConditions({ queue }: AlertFacts): Condition[] {
  if (!('problem' in queue)) return [];
  return [
    {
      ...NOTHING,
      key: 'queue',
      kind: 'queue',
      title: 'The queue does not answer',
      detail: queue.problem,
      remedy:
        'Check the disk of REPLICATOR_DATA_DIR, or, where DATABASE_URL is set, that its PostgreSQL server runs and can be reached; and the log of the service. Nothing new is accepted; senders keep their changes.',
    },
  ];
}

function diskConditions({ diskProblem }: AlertFacts): Condition[] {
  if (diskProblem === null) return [];
  return [
    {
      ...NOTHING,
      key: 'disk_reserve',
      kind: 'disk_reserve',
      title: 'Changes are refused: the disk of the queue is nearly full',
      detail: diskProblem,
      remedy: 'Free space on the disk of REPLICATOR_DATA_DIR: changes are accepted again by themselves.',
    },
  ];
}

function storeConditions({ stores }: AlertFacts): Condition[] {
  return stores.flatMap(({ store, down }) => {
    if (down === null) return [];
    const { code } = down.fault;
    return [
      {
        ...NOTHING,
        key: `store_down:${store}`,
        kind: 'store_down',
        store,
        faultCode: code,
        title: `The ${store} is down: ${sentenceStart(FAULTS[code].title)}`,
        detail: 'Transfers wait for it and use up no attempts; changes are accepted meanwhile.',
        remedy: FAULTS[code].remedy,
        sinceMs: down.sinceMs,
      },
    ];
  });
}

function messageQueueConditions({ messageQueue }: AlertFacts): Condition[] {
  if (messageQueue === null) return [];
  const { code } = messageQueue.fault;
  return [
    {
      ...NOTHING,
      key: 'message_queue',
      kind: 'message_queue',
      faultCode: code,
      title: `Changes do not arrive from SQS: ${sentenceStart(FAULTS[code].title)}`,
      detail:
        'They wait in the queue for as long as it keeps them, 14 days at most; every other way in works, and transfers go on.',
      remedy: FAULTS[code].remedy,
      sinceMs: messageQueue.sinceMs,
    },
  ];
}

function sentenceStart(title: string): string {
  return title.slice(0, 1).toLowerCase() + title.slice(1);
}

function brakeConditions({ queue }: AlertFacts): Condition[] {
  if (!('brakes' in queue)) return [];
  const held = queue.parked.filter(({ faultCode }) => faultCode === 'delete_brake');
  const tripped = queue.brakes.flatMap(({ ruleName, trip }) => (trip === null ? [] : [{ ruleName, trip }]));
  // A brake may be tripped with nothing held any more; and what it held may outlive its rule.
  const ruleNames = new Set([...tripped, ...held].map(({ ruleName }) => ruleName));
  return [...ruleNames].map((ruleName) => {
    const trip = tripped.find((brake) => brake.ruleName === ruleName)?.trip ?? null;
    const parked = held.find((other) => other.ruleName === ruleName) ?? null;
    const count = parked?.count ?? 0;
    return {
      ...NOTHING,
      key: `delete_brake:${ruleName}`,
      kind: 'delete_brake',
      ruleName,
      faultCode: 'delete_brake',
      title: `The brake holds the deletes of the rule "${ruleName}"`,
      detail: `${trip === null ? '' : `${trip.deletes} deletes came within ${minutes(trip.windowMs)}; ${trip.limit} may. `}${counted(count, 'delete waits', 'deletes wait')} for a decision. Nothing more is deleted, and copies go on.`,
      remedy: FAULTS.delete_brake.remedy,
      count,
      sinceMs: trip?.atMs ?? parked?.firstAtMs ?? null,
    };
  });
}

function parkedConditions({ queue }: AlertFacts): Condition[] {
  if (!('parked' in queue)) return [];
  const parked = queue.parked.filter(({ faultCode }) => faultCode !== 'delete_brake');
  return parked.map(({ ruleName, faultCode, count, firstAtMs }) => ({
    ...NOTHING,
    key: `parked:${faultCode}:${ruleName}`,
    kind: 'parked',
    ruleName,
    faultCode,
    title: `Parked in the rule "${ruleName}": ${sentenceStart(FAULTS[faultCode].title)}`,
    detail: `${counted(count, 'transfer is', 'transfers are')} parked. Nothing is lost: they go on when they are run again.`,
    remedy: remedyOf(faultCode),
    count,
    sinceMs: firstAtMs,
  }));
}

function remedyOf(faultCode: FaultCode): string {
  return `${FAULTS[faultCode].remedy} GET /v1/parked shows one of them.`;
}

function counted(count: number, one: string, many: string): string {
  return `${count} ${count === 1 ? one : many}`;
}

function lagConditions({ queue, objectiveMs, nowMs }: AlertFacts): Condition[] {
  if (!('counts' in queue)) return [];
  const { oldestPendingChangeAtMs, byStatus } = queue.counts;
  if (oldestPendingChangeAtMs === null || nowMs - oldestPendingChangeAtMs <= objectiveMs) return [];
  const waiting = byStatus.queued + byStatus.copying + byStatus.settling;
  return [
    {
      ...NOTHING,
      key: 'lag',
      kind: 'lag',
      title: 'Replication is late',
      detail: `The oldest change that is not covered is ${minutes(nowMs - oldestPendingChangeAtMs)} old; the objective is ${minutes(objectiveMs)}. ${counted(waiting, 'transfer is', 'transfers are')} not done.`,
      remedy:
        'See which store is slow or down in /v1/status, and what is tried again in GET /v1/transfers. A backfill of large objects counts too.',
      count: waiting,
      sinceMs: oldestPendingChangeAtMs + objectiveMs,
    },
  ];
}

function lateShareConditions({ lastDay, objectiveMs }: AlertFacts): Condition[] {
  const { finished, late, firstLateMs } = lastDay;
  if (firstLateMs === null || late <= finished * LATE_SHARE_LIMIT) return [];
  return [
    {
      ...NOTHING,
      key: 'late_share',
      kind: 'late_share',
      title: 'More changes than promised took longer than the objective',
      detail: `${late} of ${counted(finished, 'change', 'changes')} of the last 24 hours took longer than ${minutes(objectiveMs)} (${percent(late / finished)}; the objective allows ${percent(LATE_SHARE_LIMIT)}).`,
      remedy:
        'Look for outages and throttling of that time in the log; raise MAX_CONCURRENCY if the service could not keep up. It ends when those changes are a day old.',
      count: late,
      sinceMs: firstLateMs,
    },
  ];
}

function quarantineConditions({ lastDay }: AlertFacts): Condition[] {
  const { quarantined, firstQuarantinedMs } = lastDay;
  if (firstQuarantinedMs === null) return [];
  return [
    {
      ...NOTHING,
      key: 'quarantine',
      kind: 'quarantine',
      title: 'Records came that could not be understood',
      detail: `${counted(quarantined, 'record', 'records')} of the last 24 hours ${quarantined === 1 ? 'is' : 'are'} in quarantine. Nothing of them is lost.`,
      remedy: 'Look at GET /v1/quarantine, correct the sender, and post the objects that they name again.',
      count: quarantined,
      sinceMs: firstQuarantinedMs,
    },
  ];
}

function minutes(ms: number): string {
  const wholeMinutes = Math.round(ms / 60_000);
  return ms < 120_000 ? `${Math.round(ms / 1000)} s` : `${wholeMinutes} min`;
}

function percent(share: number): string {
  return `${Number((share * 100).toPrecision(2))} %`;
}
