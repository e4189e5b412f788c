// The processes of a simulated service: one of them dies, stands still, is told to stop, gets a wrong clock; another one
// starts in its place.
import type { Wire } from './network.ts';
import type { Process } from './scheduler.ts';

/** A running process, as far as the herd has to know it. */
export interface HerdMember {
  readonly process: Process;
  /** Where it works; told to stop like any other. */
  readonly worker: { stop(graceMs: number): Promise<void> };
  isLeaving: boolean;
}

interface HerdOptions<Member> {
  readonly network: Wire;
  /** Starts one more process. */
  readonly start: () => void;
  /** A process is gone, and nothing reaches it any more. */
  readonly onGone: (member: Member) => void;
}

export class Herd<Member extends HerdMember> {
  readonly #options: HerdOptions<Member>;
  #members: Member[] = [];

  constructor(options: HerdOptions<Member>) {
    this.#options = options;
  }

  get members(): readonly Member[] {
    return this.#members;
  }

  add(member: Member): void {
    this.#members.push(member);
  }

  crash(named: Process | null): void {
    const victim = this.victim(named);
    if (victim === null) return;
    this.#options.network.scheduler.note(() => `${victim.process.name} dies`);
    this.remove(victim);
  }

  pause(named: Process | null): void {
    const { network } = this.#options;
    const victim = this.victim(named);
    if (victim === null) return;
    const ms = 1_500 + network.scheduler.choices.part('troubles').pick(12) * 1_500;
    network.scheduler.note(() => `${victim.process.name} stands still for ${ms} ms`);
    network.pause(victim.process, ms);
  }

  stop(): void {
    const leaving = this.victim(null);
    if (leaving === null || leaving.isLeaving) return;
    leaving.isLeaving = true;
    this.#options.network.scheduler.note(() => `${leaving.process.name} is told to stop`);
    void this.#stopped(leaving);
  }

  async #stopped(leaving: Member): Promise<void> {
    await leaving.worker.stop(1_000);
    if (leaving.process.isAlive) this.remove(leaving);
  }

  /** The clock of one of them, or of `machine` where there is one, is set to another time. */
  jumpClock(machine: Process | null): void {
    const { scheduler } = this.#options.network;
    const choices = scheduler.choices.part('troubles');
    const offsetMs = choices.oneOf([3_600_000, -3_600_000, 0]);
    const isMachine = machine !== null && choices.weighted([1, 1]) === 0;
    const victim = isMachine ? machine : this.victim(null)?.process;
    if (victim === undefined) return;
    victim.wallOffsetMs = offsetMs;
    scheduler.note(() => `the clock of ${victim.name} is ${offsetMs} ms off`);
  }

  /** The named one, or any; null where there is none. */
  victim(named: Process | null): Member | null {
    if (named !== null) return this.#members.find(({ process }) => process === named) ?? null;
    if (this.#members.length === 0) return null;
    const choices = this.#options.network.scheduler.choices.part('troubles');
    return this.#members[choices.pick(this.#members.length)] ?? null;
  }

  /** It is gone; another one starts later. */
  remove(gone: Member): void {
    const { network, start, onGone } = this.#options;
    network.lose(gone.process);
    onGone(gone);
    this.#members = this.#members.filter((other) => other !== gone);
    const delayMs = network.scheduler.choices.part('troubles').oneOf([0, 900, 7_000]);
    network.scheduler.schedule({ receiver: null, delayMs, run: start });
  }
}
