// One source, one target and one queue in memory, with a clock that jumps to whoever sleeps: the world in which the
// use cases are tested. Single store calls can be replaced to make something happen in between.
import { openChecksumEngine } from '../../checksums/native-checksums.ts';
import type { Change } from '../../core/change.ts';
import type { Clock } from '../../core/clock.ts';
import type { Happenings } from '../../core/happenings.ts';
import type { ObjectLocation } from '../../core/object.ts';
import type { ObjectSource } from '../../core/object-source.ts';
import type { ObjectTarget } from '../../core/object-target.ts';
import { mapTarget, type Rule } from '../../core/rule.ts';
import { PLAIN_RULE } from '../../core/testing/samples.ts';
import type { ClaimedTransfer, TransferQueue } from '../../core/transfer-queue.ts';
import { openMemoryNotes } from '../../queues/memory/memory-notes.ts';
import { openMemoryQueue } from '../../queues/memory/memory-queue.ts';
import { MemorySource } from '../../stores/memory/memory-source.ts';
import { MemoryTarget } from '../../stores/memory/memory-target.ts';
import { Attempt, type AttemptEnd } from '../attempt.ts';
import { ByteBudget } from '../byte-budget.ts';
import { converge } from '../converge.ts';
import type { Stores } from '../copy-object.ts';
import { DeleteBrake } from '../delete-brake.ts';

export const SOURCE: ObjectLocation = { bucket: 'from', key: 'a/b c.txt' };
export const TARGET: ObjectLocation = { bucket: 'to', key: 'a/b c.txt' };
export const LEASE_MS = 30_000;
const GRACE_MS = 120_000;
const CHUNK_BYTES = 64;
const BLOCK_BYTES = 16;
const engine = openChecksumEngine();

export const RULE = PLAIN_RULE;

/** Turns of the event loop in which everything that is ready must have run. */
const QUIET_TURNS = 20;

interface Sleeper {
  readonly wakeAtMs: number;
  readonly wake: () => void;
}

/** Sleeping takes no real time: when nothing else runs any more, the clock jumps to whoever wakes first. */
class JumpingClock implements Clock {
  #nowMs = Date.UTC(2026, 0, 1);
  #sleepers: Sleeper[] = [];
  #isPumping = false;

  nowMs(): number {
    return this.#nowMs;
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  advance(ms: number): void {
    this.#nowMs += ms;
  }

  async sleep(ms: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    await new Promise<void>((resolve, reject) => {
      const onAbort = (): void => {
        this.#sleepers = this.#sleepers.filter((other) => other !== sleeper);
        reject(signal.reason as Error);
      };
      const wake = (): void => {
        signal.removeEventListener('abort', onAbort);
        resolve();
      };
      const sleeper = { wakeAtMs: this.#nowMs + ms, wake };
      signal.addEventListener('abort', onAbort, { once: true });
      this.#sleepers.push(sleeper);
      if (!this.#isPumping) void this.#pump();
    });
  }

  async #pump(): Promise<void> {
    this.#isPumping = true;
    while (this.#sleepers.length > 0) {
      for (let turn = 0; turn < QUIET_TURNS; turn += 1)
        await new Promise<void>((resolve) => setImmediate(resolve));
      const [next] = this.#sleepers.toSorted((one, other) => one.wakeAtMs - other.wakeAtMs);
      if (next === undefined) break;
      this.#sleepers = this.#sleepers.filter((other) => other !== next);
      this.#nowMs = Math.max(this.#nowMs, next.wakeAtMs);
      next.wake();
    }
    this.#isPumping = false;
  }
}

/** `base` with single methods replaced; the others keep their `this`. */
export function withMethods<Port extends object>(base: Port, methods: Partial<Port>): Port {
  return new Proxy(base, {
    get(target, name) {
      if (Object.hasOwn(methods, name)) return Reflect.get(methods, name) as unknown;
      const value = Reflect.get(target, name, target) as unknown;
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}

export class World {
  readonly clock = new JumpingClock();
  readonly source = new MemorySource({ clock: this.clock, buckets: ['from'], chunkBytes: 10 });
  readonly target: MemoryTarget;
  readonly queue: TransferQueue;
  readonly byteBudget = new ByteBudget(1000);
  readonly notes = openMemoryNotes();
  readonly deleteBrake: DeleteBrake;
  /** Store calls in their order, `source.read` and the like. */
  readonly calls: string[] = [];
  /** Happenings in their order. */
  readonly told: { readonly name: string; readonly event: Record<string, unknown> }[] = [];
  readonly resumedFrom: number[] = [];
  #lastId = 0;

  constructor(options: { readonly sameNameIntervalMs?: number } = {}) {
    this.target = new MemoryTarget({ buckets: ['to'], blockBytes: BLOCK_BYTES, ...options });
    this.deleteBrake = this.openBrake();
    this.queue = openMemoryQueue({
      clock: this.clock,
      leaseMs: LEASE_MS,
      settleGraceMs: GRACE_MS,
      smallMaxBytes: CHUNK_BYTES,
      newId: () => {
        this.#lastId += 1;
        return `transfer-${this.#lastId}`;
      },
    });
  }

  /** The brake as a new process finds it in the notes. */
  openBrake(): DeleteBrake {
    return new DeleteBrake({ notes: this.notes, clock: this.clock, happenings: this.happenings() });
  }

  put(text: string, user: Record<string, string> = {}): void {
    this.source.put(SOURCE, Buffer.from(text), { metadata: { user } });
  }

  targetText(): string | null {
    const bytes = this.target.bytesOf(TARGET);
    return bytes === null ? null : Buffer.from(bytes).toString();
  }

  stores(replaced: { source?: Partial<ObjectSource>; target?: Partial<ObjectTarget> } = {}): Stores {
    return {
      source: this.#recorded('source', withMethods<ObjectSource>(this.source, replaced.source ?? {})),
      target: this.#recorded('target', withMethods<ObjectTarget>(this.target, replaced.target ?? {})),
      checksums: engine,
      clock: this.clock,
      byteBudget: this.byteBudget,
      deleteBrake: this.deleteBrake,
      chunkBytes: CHUNK_BYTES,
      effectDeadlineMs: 60_000,
    };
  }

  #recorded<Port extends object>(side: string, port: Port): Port {
    return new Proxy(port, {
      get: (target, name) => {
        const value = Reflect.get(target, name, target) as unknown;
        if (typeof value !== 'function') return value;
        return (...args: unknown[]): unknown => {
          this.calls.push(`${side}.${String(name)}`);
          return value.apply(target, args) as unknown;
        };
      },
    });
  }

  async accept(change: Partial<Change> = {}, rule: Rule = RULE): Promise<string> {
    const whole: Change = {
      ...SOURCE,
      kind: 'created',
      transport: 's3',
      occurredAtMs: this.clock.nowMs(),
      sizeBytes: null,
      versionId: null,
      sequencer: null,
      ...change,
    };
    const source = { bucket: whole.bucket, key: whole.key };
    const item = { ruleName: rule.name, source, target: mapTarget(rule, source), change: whole };
    const [accepted] = await this.queue.accept({ items: [item], quarantine: [] });
    if (accepted === undefined) throw new Error('Nothing was accepted');
    return accepted.transferId;
  }

  async claim(): Promise<ClaimedTransfer> {
    const [claimed] = await this.queue.claim({ total: 1, large: 1 });
    if (claimed === undefined) throw new Error('Nothing is due');
    return claimed;
  }

  /** The lease of the running attempt ends unnoticed, and the row is claimed again. */
  async claimAgain(): Promise<ClaimedTransfer> {
    this.clock.advance(LEASE_MS + 1);
    return this.claim();
  }

  attempt(claimed: ClaimedTransfer, rule: Rule = RULE, signal = new AbortController().signal): Attempt {
    return new Attempt({
      claimed,
      rule,
      target: mapTarget(rule, claimed.source),
      signal,
      clock: this.clock,
      hasLargeSlot: () => true,
      onResumed: (fromByte) => void this.resumedFrom.push(fromByte),
      onTooSlow: (progress, pace) =>
        void this.told.push({ name: 'uploadTooSlow', event: { ...progress, ...pace } }),
    });
  }

  /** Accepts a change and hands out its first attempt. */
  async begin(change: Partial<Change> = {}, rule: Rule = RULE): Promise<Attempt> {
    await this.accept(change, rule);
    return this.attempt(await this.claim(), rule);
  }

  happenings(): Happenings {
    return new Proxy({} as Happenings, {
      get: (_, name) => (event: Record<string, unknown>) =>
        void this.told.push({ name: String(name), event }),
    });
  }
}

/** Replicates once and finishes the row, so that a receipt exists; the calls are forgotten. */
export async function replicateOnce(world: World): Promise<AttemptEnd> {
  const attempt = await world.begin();
  const end = await converge(world.stores(), attempt);
  await world.queue.finish(attempt.lease, { ...end, owed: attempt.owed });
  world.calls.length = 0;
  return end;
}
