// Looks every few seconds for what is wrong, tells it, and sees that each message arrives: the one place that
// tries deliveries again. What is wrong: alert-conditions.ts; which messages are due: alert-memory.ts.
import type { Alert, AlertDelivery, AlertHappenings, AlertKind, AlertSink } from '../core/alert.ts';
import { backoffMs } from '../core/backoff.ts';
import type { Clock, Random } from '../core/clock.ts';
import type { DurableNotes } from '../core/durable-notes.ts';
import { ALWAYS_LEADER, type Leadership } from '../core/leadership.ts';
import type { MessageQueueTrouble } from '../core/message-intake.ts';
import type { TransferQueue } from '../core/transfer-queue.ts';
import { type AlertFacts, type BrakeSeen, findConditions, type StoreSeen } from './alert-conditions.ts';
import {
  afterDelivery,
  afterLook,
  type AlertMemory,
  dueMessages,
  type Remembered,
  withoutEnded,
} from './alert-memory.ts';
import { messageOf, type ServiceFacts, testMessage } from './alert-message.ts';
import type { LagTally } from './lag-tally.ts';
import { SharedSightings, type Sighting } from './shared-sightings.ts';
import { StoredAlerts } from './stored-alerts.ts';

const ROUND_MS = 10_000;
const TALLY_ROUNDS = 6;
const RETRY = { baseMs: 30_000, capMs: 900_000 };

/** Kinds that only the queue can tell of. */
const ASKED_OF_QUEUE: readonly AlertKind[] = ['parked', 'delete_brake', 'lag'];

interface AlertsOptions {
  readonly queue: Pick<TransferQueue, 'counts' | 'parkedClasses'>;
  readonly notes: DurableNotes;
  readonly clock: Clock;
  readonly random: Random;
  readonly happenings: AlertHappenings;
  readonly tally: LagTally;
  /** Of several processes that share the queue the leader tells, also what only others see; they show the same. */
  readonly leadership: Leadership;
  /** Unlike that of any other process. */
  readonly processId: string;
  readonly objectiveMs: number;
  readonly stores: () => readonly StoreSeen[];
  readonly brakes: () => Promise<readonly BrakeSeen[]>;
  readonly messageQueue: () => MessageQueueTrouble | null;
  /** What the disk of the queue lacks; null where it has its reserve. */
  readonly diskProblem: () => string | null;
  /** Null: alerts are only listed, counted and logged. */
  readonly sink: AlertSink | null;
  readonly service: ServiceFacts;
}

/** An alert that lasts. `sentAtMs`: when its last message arrived; null where none did. */
export interface ActiveAlert {
  readonly alert: Alert;
  readonly sentAtMs: number | null;
  readonly sentCount: number;
}

export interface Alerts {
  /** What is wrong now and has lasted for a little. */
  active(): readonly ActiveAlert[];
  /** Null where messages go nowhere. `failure`: why the last delivery failed; null where it did not. */
  receiver(): { readonly origin: string; readonly failure: string | null } | null;
  /** Sends a test message now, once; null where messages go nowhere. */
  sendTest(signal: AbortSignal): Promise<AlertDelivery | null>;
  /** Resolves when nothing runs any more and what is remembered is written down. */
  stop(): Promise<void>;
}

/** Begins to look. A message under way at the stop is cut, and sent again by the next process. */
export function startAlerts(options: AlertsOptions): Alerts {
  const watch = new AlertWatch(options);
  const stopping = new AbortController();
  const running = watch.run(stopping.signal);
  return {
    active: () => watch.active(),
    receiver: () => watch.receiver(),
    sendTest: (signal) => watch.sendTest(signal),
    async stop() {
      stopping.abort();
      await running;
    },
  };
}

class AlertWatch {
  readonly #options: AlertsOptions;
  readonly #stored: StoredAlerts;
  readonly #sightings: SharedSightings;
  #memory: AlertMemory = new Map();
  #isLoaded = false;
  #failureCount = 0;
  #failure: string | null = null;
  #nextTryMs = Number.NEGATIVE_INFINITY;
  /** How often the message of each trouble was refused in a row. */
  readonly #refusals = new Map<string, number>();
  readonly #troubled = new Set<string>();

  constructor(options: AlertsOptions) {
    this.#options = options;
    this.#stored = new StoredAlerts(options.notes);
    this.#sightings = new SharedSightings(options);
  }

  active(): readonly ActiveAlert[] {
    return [...this.#memory.values()]
      .filter(({ state }) => state === 'active')
      .map(({ alert, sentAtMs, sentCount }) => ({ alert, sentAtMs, sentCount }));
  }

  receiver(): ReturnType<Alerts['receiver']> {
    const { sink } = this.#options;
    return sink === null ? null : { origin: sink.origin, failure: this.#failure };
  }

  async sendTest(signal: AbortSignal): Promise<AlertDelivery | null> {
    const { sink, service, clock } = this.#options;
    if (sink === null) return null;
    const delivery = await sink.send(testMessage(service, clock.nowMs()), signal);
    this.#note(delivery);
    return delivery;
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock, notes, tally, leadership } = this.#options;
    for (let round = 1; !signal.aborted; round++) {
      if (!this.#isLoaded) await this.#guarded('reading what alerts were sent', () => this.#load());
      // Without knowing what was sent, everything would be sent again.
      if (this.#isLoaded && leadership.isLeader) await this.#round(signal);
      // Whoever leads from now on writes it: what is known here is what it has written.
      else if (this.#isLoaded) await this.#guarded('reading what alerts were sent', () => this.#follow());
      if (round % TALLY_ROUNDS === 0)
        await this.#guarded('keeping the tally of lag', () => tally.save(notes));
      await clock.sleep(ROUND_MS, signal).catch(() => {});
    }
    await this.#guarded('keeping the tally of lag', () => tally.save(notes));
  }

  async #load(): Promise<void> {
    const { notes, tally } = this.#options;
    const memory = await this.#stored.load();
    await tally.load(notes);
    this.#memory = memory;
    this.#isLoaded = true;
  }

  async #follow(): Promise<void> {
    this.#memory = await this.#stored.load();
    const own = this.#own();
    await this.#sightings.leave(own);
    const facts = await this.#look(own);
    const unknown = new Set('problem' in facts.queue ? ASKED_OF_QUEUE : []);
    this.#memory = afterLook(
      this.#memory,
      findConditions(facts),
      unknown,
      this.#options.clock.nowMs(),
    ).memory;
  }

  async #round(signal: AbortSignal): Promise<void> {
    const { clock, happenings, sink } = this.#options;
    const facts = await this.#look(await this.#seenByAll());
    const unknown = new Set('problem' in facts.queue ? ASKED_OF_QUEUE : []);
    const step = afterLook(this.#memory, findConditions(facts), unknown, clock.nowMs());
    this.#memory = step.memory;
    for (const alert of step.began) happenings.alertBegan(alert);
    for (const alert of step.ended) happenings.alertEnded(alert);
    if (sink === null) this.#memory = withoutEnded(this.#memory);
    // First written down, so that a crash while sending forgets nothing.
    await this.#save();
    if (sink !== null) await this.#deliver(sink, signal);
  }

  #own(): Sighting {
    const { stores, messageQueue, diskProblem } = this.#options;
    return { stores: stores(), messageQueue: messageQueue(), diskProblem: diskProblem() };
  }

  async #seenByAll(): Promise<Sighting> {
    let seen = this.#own();
    if (this.#options.leadership === ALWAYS_LEADER) return seen;
    await this.#guarded('reading what other processes see', async () => {
      seen = await this.#sightings.joined(seen);
    });
    return seen;
  }

  async #look(sighting: Sighting): Promise<AlertFacts> {
    const { queue, tally, objectiveMs, clock, brakes: askBrakes } = this.#options;
    const rest = { ...sighting, lastDay: tally.lastDay(), objectiveMs };
    try {
      const asked = [queue.counts(), queue.parkedClasses(), askBrakes()] as const;
      const [counts, parked, brakes] = await Promise.all(asked);
      return { ...rest, queue: { counts, parked, brakes }, nowMs: clock.nowMs() };
    } catch (error) {
      const problem = error instanceof Error ? error.message : String(error);
      return { ...rest, queue: { problem }, nowMs: clock.nowMs() };
    }
  }

  async #deliver(sink: AlertSink, signal: AbortSignal): Promise<void> {
    const { clock, service } = this.#options;
    for (const due of this.#inTurn(dueMessages(this.#memory, clock.nowMs()))) {
      const { key } = due.alert;
      if (signal.aborted || clock.monotonicMs() < this.#nextTryMs) return;
      const delivery = await sink.send(messageOf(due, service, clock.nowMs()), signal);
      if (signal.aborted && delivery.kind === 'failed') return;
      this.#note(delivery);
      if (delivery.kind === 'failed') {
        this.#refusals.set(key, (this.#refusals.get(key) ?? 0) + 1);
        return;
      }
      this.#refusals.delete(key);
      this.#memory = afterDelivery(this.#memory, due, clock.nowMs());
      await this.#save();
    }
  }

  /** A message that the receiver refuses again and again does not stand in the way of the others. */
  #inTurn(due: readonly Remembered[]): readonly Remembered[] {
    for (const key of this.#refusals.keys()) if (!this.#memory.has(key)) this.#refusals.delete(key);
    const refusals = ({ alert }: Remembered): number => this.#refusals.get(alert.key) ?? 0;
    return due.toSorted((one, other) => refusals(one) - refusals(other));
  }

  /** One failing delivery makes all wait: mostly it is the receiver that fails, not the message. */
  #note(delivery: AlertDelivery): void {
    const { clock, random, happenings } = this.#options;
    if (delivery.kind === 'delivered') {
      happenings.alertDelivered();
      if (this.#failureCount > 0) happenings.alertSinkRecovered({ failureCount: this.#failureCount });
      this.#failureCount = 0;
      this.#failure = null;
      this.#nextTryMs = Number.NEGATIVE_INFINITY;
      return;
    }
    const { reason, retryAfterMs } = delivery;
    happenings.alertNotDelivered({ reason, isFirst: this.#failureCount === 0 });
    this.#failureCount += 1;
    this.#failure = reason;
    this.#nextTryMs = clock.monotonicMs() + backoffMs(RETRY, this.#failureCount, random.next(), retryAfterMs);
  }

  async #save(): Promise<void> {
    await this.#guarded('keeping what alerts were sent', () => this.#stored.save(this.#memory));
  }

  /** A failure is told once until the same works again; alerting goes on with what it knows. */
  async #guarded(doing: string, step: () => Promise<void>): Promise<void> {
    try {
      await step();
      this.#troubled.delete(doing);
    } catch (error) {
      if (this.#troubled.has(doing)) return;
      this.#troubled.add(doing);
      this.#options.happenings.alertingTroubled({ doing, error });
    }
  }
}
