// Watches the machine once a second: free space of the disk of the queue, and how late the process is. What it finds
// opens and closes the intake; transfers that run are left alone.
import type { Clock } from '../core/clock.ts';
import type { HostSensors, OverloadHappenings } from '../core/overload.ts';
import type { IntakeGate } from './intake-gate.ts';

const ROUND_MS = 1_000;
/** Late by more than this in two rounds one after the other: changes are refused. One pause alone is none. */
const LAG_LIMIT_MS = 1_000;
const LATE_ROUNDS = 2;
/** A state of the disk ends this share of the reserve above where it begins, or it would flap with every file. */
const CALM_SHARE = 1 / 16;
const MAX_CALM_BYTES = 16 * 1024 * 1024;

/** `freeDiskBytes` is null where the system does not tell, and where the queue has no disk of this machine. */
export interface HostState {
  readonly freeDiskBytes: number | null;
  readonly loopLagMs: number;
}

export interface HostWatch {
  state(): HostState;
  /** Resolves when nothing runs any more. */
  stop(): Promise<void>;
}

interface HostWatchDeps {
  readonly sensors: HostSensors;
  readonly gate: IntakeGate;
  readonly clock: Clock;
  readonly happenings: OverloadHappenings;
  /** Free space below which changes are refused; 0 switches the check off. */
  readonly minFreeDiskBytes: number;
}

/** Begins to watch; resolves after the first look at the disk, so that nothing is accepted onto a full one. */
export async function startHostWatch(deps: HostWatchDeps): Promise<HostWatch> {
  const watch = new Watch(deps);
  await watch.lookAtDisk();
  // What the start itself took says nothing about the load.
  deps.sensors.loopLagMs();
  const stopping = new AbortController();
  const running = watch.run(stopping.signal);
  return {
    state: () => watch.state,
    async stop() {
      stopping.abort();
      await running;
    },
  };
}

class Watch {
  readonly #deps: HostWatchDeps;
  #state: HostState = { freeDiskBytes: null, loopLagMs: 0 };
  #lateRounds = 0;
  #isBelowReserve = false;
  #isLow = false;
  #isUnknown = false;

  constructor(deps: HostWatchDeps) {
    this.#deps = deps;
  }

  get state(): HostState {
    return this.#state;
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock, gate } = this.#deps;
    let looking: Promise<void> | null = null;
    while (!signal.aborted) {
      await clock.sleep(ROUND_MS, signal).catch(() => {});
      if (signal.aborted) break;
      this.#lookAtLoop();
      gate.settle();
      // A disk that does not answer must not stop the other looks.
      looking ??= this.lookAtDisk().finally(() => {
        looking = null;
      });
    }
  }

  #lookAtLoop(): void {
    const { sensors, gate } = this.#deps;
    const loopLagMs = sensors.loopLagMs();
    this.#state = { ...this.#state, loopLagMs };
    const wasLate = this.#lateRounds >= LATE_ROUNDS;
    this.#lateRounds = loopLagMs > LAG_LIMIT_MS ? this.#lateRounds + 1 : 0;
    const isLate = this.#lateRounds >= LATE_ROUNDS;
    if (isLate && !wasLate)
      gate.beginHostTrouble(
        'event_loop',
        `The process is late by ${Math.round(loopLagMs)} ms; ${LAG_LIMIT_MS} ms are the limit.`,
      );
    if (!isLate && wasLate) gate.endHostTrouble('event_loop');
  }

  /** Reads the free space and draws the conclusions. Never rejects: what is not known refuses nothing. */
  async lookAtDisk(): Promise<void> {
    const { sensors, happenings } = this.#deps;
    try {
      const freeDiskBytes = await sensors.freeDiskBytes();
      this.#isUnknown = false;
      this.#state = { ...this.#state, freeDiskBytes };
      if (freeDiskBytes !== null) this.#judgeDisk(freeDiskBytes);
    } catch (error) {
      if (!this.#isUnknown) happenings.diskSpaceUnknown(error);
      this.#isUnknown = true;
      this.#state = { ...this.#state, freeDiskBytes: null };
      if (this.#isBelowReserve) this.#deps.gate.endHostTrouble('disk_reserve');
      this.#isBelowReserve = false;
    }
  }

  #judgeDisk(freeBytes: number): void {
    const { gate, happenings, minFreeDiskBytes: reserveBytes } = this.#deps;
    const calmBytes = Math.min(MAX_CALM_BYTES, reserveBytes * CALM_SHARE);
    const isBelow = freeBytes < reserveBytes + (this.#isBelowReserve ? calmBytes : 0);
    if (isBelow && !this.#isBelowReserve)
      gate.beginHostTrouble(
        'disk_reserve',
        `The disk of the queue has ${freeBytes} bytes free; ${reserveBytes} are kept in reserve (MIN_FREE_DISK_BYTES).`,
      );
    if (!isBelow && this.#isBelowReserve) gate.endHostTrouble('disk_reserve');
    this.#isBelowReserve = isBelow;
    const isLow = freeBytes < 2 * reserveBytes + (this.#isLow ? calmBytes : 0);
    if (isLow && !this.#isLow && !isBelow) happenings.diskSpaceLow({ freeBytes, reserveBytes });
    this.#isLow = isLow;
  }
}
