// Decides whether a request may come in now. Everything that piles up while the disk or the process is slow is
// counted here and has a bound, so that the answer to a flood is "later" and never the end of the process.
//
// A load (requests, bytes, changes) is over when nothing was refused for it for some seconds; a trouble of the host
// is over when the host watch says so. Begin and end are told once each, with the number of refusals between them.
import type { Clock } from '../core/clock.ts';
import type { OverloadHappenings, RefusalReason } from '../core/overload.ts';

/** Troubles of the machine; they stop the intake of changes and nothing else. */
export type HostTrouble = Extract<RefusalReason, 'disk_reserve' | 'event_loop'>;

/** `detail` is for people: it names the bound that is reached. */
export interface Refusal {
  readonly reason: RefusalReason;
  readonly detail: string;
}

export interface IntakeLimits {
  /** Requests being answered at once. */
  readonly requests: number;
  /** Bytes of request bodies that have arrived or are announced, until their requests are answered. */
  readonly bodyBytes: number;
  /** Changes handed to the queue and not yet on its disk. */
  readonly waitingChanges: number;
  /**
   * How long those that wait for the disk may have waited, in milliseconds, when more are taken; and how long these
   * may expect to wait, as far as one can tell from the ones before.
   */
  readonly waitingMs: number;
}

const DEFAULT_INTAKE_LIMITS: IntakeLimits = {
  requests: 2_000,
  bodyBytes: 64 * 1024 * 1024,
  waitingChanges: 10_000,
  waitingMs: 400,
};

/** What callers may hold together that are not known before their body was read: strangers must not take everything. */
const UNPROVED_SHARE = 0.5;

/** Fewer changes than these tell nothing of how many the disk takes in a time: it takes many at once. */
const TELLING_CHANGES = 500;
/** How much the latest of them counts. */
const PACE_SHARE = 0.2;

/** A load that was not refused for this long is over. */
const QUIET_MS = 10_000;

interface Episode {
  readonly beganMs: number;
  lastMs: number;
  refused: number;
}

export class IntakeGate {
  readonly #limits: IntakeLimits;
  readonly #clock: Clock;
  readonly #happenings: OverloadHappenings;
  #requests = 0;
  #bodyBytes = 0;
  /** The part of both that belongs to callers who have yet to prove who they are. */
  readonly #unproved = { requests: 0, bodyBytes: 0 };
  #waitingChanges = 0;
  /** What waits for the disk, the oldest first: since when, and how many changes waited then, itself included. */
  readonly #held: { readonly sinceMs: number; readonly waiting: number }[] = [];
  /** Changes that the disk takes in a millisecond; null before that could be told. */
  #pace: number | null = null;
  readonly #hostTroubles = new Map<HostTrouble, string>();
  readonly #episodes = new Map<RefusalReason, Episode>();

  constructor(options: {
    readonly limits?: Partial<IntakeLimits>;
    readonly clock: Clock;
    readonly happenings: OverloadHappenings;
  }) {
    this.#limits = { ...DEFAULT_INTAKE_LIMITS, ...options.limits };
    this.#clock = options.clock;
    this.#happenings = options.happenings;
  }

  /** What is under way now. */
  get load(): { readonly requests: number; readonly bodyBytes: number; readonly waitingChanges: number } {
    return {
      requests: this.#requests,
      bodyBytes: this.#bodyBytes,
      waitingChanges: this.#waitingChanges,
    };
  }

  /** The troubles of the host for which changes are refused now. */
  get hostTroubles(): readonly { readonly reason: HostTrouble; readonly detail: string }[] {
    return [...this.#hostTroubles].map(([reason, detail]) => ({ reason, detail }));
  }

  /** Null where the host may take changes; else the refusal, which is counted. */
  askHost(): Refusal | null {
    const [trouble] = this.#hostTroubles;
    return trouble === undefined ? null : this.#refuse(trouble[0], trouble[1]);
  }

  /**
   * Counts a request in, until `leave`; or the refusal, and then nothing is to be left. `isProved` false: only the body
   * tells who is calling.
   */
  enter(isProved = true): Refusal | null {
    const { requests } = this.#limits;
    const limit = isProved ? requests : requests * UNPROVED_SHARE;
    if (this.#requests >= requests || (!isProved && this.#unproved.requests >= limit))
      return this.#refuse('requests', `${limit} requests are being answered, which is the limit.`);
    this.#requests += 1;
    if (!isProved) this.#unproved.requests += 1;
    return null;
  }

  /** With the same word as when it entered. */
  leave(isProved = true): void {
    this.#requests -= 1;
    if (!isProved) this.#unproved.requests -= 1;
  }

  /** An account of the bytes of one body. */
  openBody(isProved = true): BodyHold {
    return new BodyHold({
      take: (bytes) => this.#takeBytes(bytes, isProved),
      giveBack: (bytes) => {
        this.#bodyBytes -= bytes;
        if (!isProved) this.#unproved.bodyBytes -= bytes;
      },
    });
  }

  /** Whether so many changes could be held now; refuses nothing: for those who can wait. */
  hasRoomFor(count: number): boolean {
    const [oldest] = this.#held;
    if (oldest === undefined) return true;
    const { waitingChanges, waitingMs } = this.#limits;
    const waiting = this.#waitingChanges + count;
    const expectedMs = this.#pace === null ? 0 : waiting / this.#pace;
    const waitedMs = this.#clock.monotonicMs() - oldest.sinceMs;
    return waiting <= waitingChanges && Math.max(expectedMs, waitedMs) <= waitingMs;
  }

  /** Counts changes in while they wait for the disk, until `changesStored`. One document alone always may. */
  holdChanges(count: number): Refusal | null {
    if (!this.hasRoomFor(count))
      return this.#refuse(
        'waiting_changes',
        `${this.#waitingChanges} changes wait to be stored; ${this.#limits.waitingChanges}, or ${this.#limits.waitingMs} ms, are the limit.`,
      );
    this.#waitingChanges += count;
    this.#held.push({ sinceMs: this.#clock.monotonicMs(), waiting: this.#waitingChanges });
    return null;
  }

  /** In the order in which they were held: the queue stores so. */
  changesStored(count: number): void {
    this.#waitingChanges -= count;
    const stored = this.#held.shift();
    if (stored === undefined || stored.waiting < TELLING_CHANGES) return;
    const pace = stored.waiting / Math.max(1, this.#clock.monotonicMs() - stored.sinceMs);
    this.#pace = this.#pace === null ? pace : this.#pace + (pace - this.#pace) * PACE_SHARE;
  }

  /** More requests came at once than can be answered soon: one is told to come again before any work for it. */
  tooManyAtOnce(): Refusal {
    return this.#refuse('requests', 'More requests came at once than can be answered within a second.');
  }

  /** A connection was closed before anything was read from it; `detail` says which bound was reached. */
  connectionDropped(detail: string): void {
    this.#refuse('connections', detail);
  }

  /** A caller was told to wait, because it hands over more than it may. */
  callerOverQuota(callerId: string): Refusal {
    return this.#refuse('caller_rate', `The caller ${callerId} hands over more changes than one caller may.`);
  }

  /** The queue could not store a request; `error` says why. */
  queueFailed(error: unknown): void {
    this.#refuse('queue', error instanceof Error ? error.message : String(error), error);
  }

  /** Said by the host watch: from now on changes are refused for this reason. */
  beginHostTrouble(reason: HostTrouble, detail: string): void {
    this.#hostTroubles.set(reason, detail);
    this.#begin(reason, detail);
  }

  endHostTrouble(reason: HostTrouble): void {
    this.#hostTroubles.delete(reason);
    this.#end(reason);
  }

  /** Ends what was quiet for a while. To be called every now and then. */
  settle(): void {
    const nowMs = this.#clock.monotonicMs();
    for (const [reason, { lastMs }] of this.#episodes) {
      const isOfHost = reason === 'disk_reserve' || reason === 'event_loop';
      if (!isOfHost && nowMs - lastMs >= QUIET_MS) this.#end(reason);
    }
  }

  #takeBytes(bytes: number, isProved: boolean): Refusal | null {
    const { bodyBytes } = this.#limits;
    const unproved = this.#unproved;
    const unprovedLimit = bodyBytes * UNPROVED_SHARE;
    if (this.#bodyBytes + bytes > bodyBytes) return this.#refuseBytes(this.#bodyBytes, bodyBytes);
    if (!isProved && unproved.bodyBytes + bytes > unprovedLimit)
      return this.#refuseBytes(unproved.bodyBytes, unprovedLimit);
    this.#bodyBytes += bytes;
    if (!isProved) unproved.bodyBytes += bytes;
    return null;
  }

  #refuseBytes(held: number, limit: number): Refusal {
    return this.#refuse(
      'body_bytes',
      `The bodies of the requests under way hold ${held} bytes; ${limit} are the limit.`,
    );
  }

  #refuse(reason: RefusalReason, detail: string, error?: unknown): Refusal {
    this.#happenings.intakeRefused(reason);
    const episode = this.#begin(reason, detail, error);
    episode.refused += 1;
    episode.lastMs = this.#clock.monotonicMs();
    return { reason, detail };
  }

  #begin(reason: RefusalReason, detail: string, error?: unknown): Episode {
    const running = this.#episodes.get(reason);
    if (running !== undefined) return running;
    const nowMs = this.#clock.monotonicMs();
    const episode = { beganMs: nowMs, lastMs: nowMs, refused: 0 };
    this.#episodes.set(reason, episode);
    this.#happenings.overloadBegan({ reason, detail, ...(error === undefined ? {} : { error }) });
    return episode;
  }

  #end(reason: RefusalReason): void {
    const episode = this.#episodes.get(reason);
    if (episode === undefined) return;
    this.#episodes.delete(reason);
    const { refused, beganMs } = episode;
    this.#happenings.overloadEnded({ reason, refused, durationMs: this.#clock.monotonicMs() - beganMs });
  }
}

interface BodyAccount {
  readonly take: (bytes: number) => Refusal | null;
  readonly giveBack: (bytes: number) => void;
}

/** The bytes of one body, held by its request and by the queue until both let go. */
export class BodyHold {
  readonly #account: BodyAccount;
  #bytes = 0;
  #holders = 1;

  constructor(account: BodyAccount) {
    this.#account = account;
  }

  /**
   * So many bytes more; or the refusal, and then as many as before. Nothing is counted when nobody holds the body any
   * more: what still arrives behind an early answer is thrown away, and nobody would give it back.
   */
  grow(bytes: number): Refusal | null {
    if (this.#holders <= 0) return null;
    const refusal = this.#account.take(bytes);
    if (refusal === null) this.#bytes += bytes;
    return refusal;
  }

  /** One holder more, who has to `release` too. */
  retain(): void {
    this.#holders += 1;
  }

  release(): void {
    this.#holders -= 1;
    if (this.#holders > 0) return;
    this.#account.giveBack(this.#bytes);
    this.#bytes = 0;
  }
}
