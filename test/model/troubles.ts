// What goes wrong beside single calls: processes die, stand still or stop, uploads are forgotten, permissions vanish,
// others write at the target. Some troubles wait for an effect and strike while it is on its way, which is where they
// hurt most; the source then often changes at the same moment.
import type { Network } from './network.ts';
import type { Process } from './scheduler.ts';
import type { SimulatedService } from './simulated-service.ts';

/** How likely each trouble is, in the order of `#strike`. */
const WEIGHTS = [2, 2, 8, 8, 4, 6, 2, 2, 8, 2, 2, 2, 1, 2, 3];
const UPLOAD_WEIGHTS = [1, 1, 1, 1, 1, 1, 1, 1, 1, 12, 1, 1, 0, 1, 0];
/** The last trouble is only where nothing serializes attempts, and the likeliest there. */
const DUEL_WEIGHT = 16;

/** Long enough for another attempt from its receipt to its end. */
const SLOW_MS = 800;

type MutationKind = 'any' | 'overwrite' | 'undo';
type Trap = 'crash' | 'pause' | 'late' | 'slow';

export class Troubles {
  readonly #network: Network;
  readonly #services: readonly SimulatedService[];
  readonly #mutate: (key: string, kind: MutationKind) => void;
  readonly #meddle: () => Promise<void>;
  readonly #expireUploads: () => void;
  readonly #hasDuels: boolean;
  /** Wait for the next effect. */
  #traps: Trap[] = [];
  /** Wait for the next upload in the middle of its bytes. */
  #uploadTrapCount = 0;
  #weights = WEIGHTS;
  #isDenied = false;
  #isOver = false;

  constructor(options: {
    readonly network: Network;
    readonly services: readonly SimulatedService[];
    readonly mutate: (key: string, kind: MutationKind) => void;
    readonly meddle: () => Promise<void>;
    readonly expireUploads: () => void;
    /** True where attempts at one object run side by side: then some effects take long, while the source goes back. */
    readonly hasDuels: boolean;
  }) {
    this.#network = options.network;
    this.#services = options.services;
    this.#mutate = options.mutate;
    this.#meddle = options.meddle;
    this.#expireUploads = options.expireUploads;
    this.#hasDuels = options.hasDuels;
  }

  /** True while the source refuses everything for want of a permission. */
  get isDenied(): boolean {
    return this.#isDenied;
  }

  /** Lets so many troubles come at random moments. */
  schedule(count: number, isAboutUploads: boolean): void {
    const weights = isAboutUploads ? UPLOAD_WEIGHTS : WEIGHTS;
    this.#weights = [...weights, this.#hasDuels ? DUEL_WEIGHT : 0];
    const { scheduler } = this.#network;
    for (let place = 0; place < count; place += 1) {
      const delayMs =
        scheduler.choices.part('troubles').pick(40) *
        scheduler.choices.part('troubles').oneOf([20, 1, 5, 200]);
      scheduler.schedule({ receiver: null, delayMs, run: () => this.#strike() });
    }
  }

  /** No more of it. */
  end(): void {
    this.#isOver = true;
    this.#traps = [];
    this.#uploadTrapCount = 0;
  }

  /** An effect has been sent: what waited for it happens while the request is on its way. */
  spring(process: Process, key: string, isEffect: boolean): void {
    const { scheduler } = this.#network;
    // Opening an upload changes nothing yet: a slow effect waits for one that does.
    if (this.#traps[0] === 'slow' && !isEffect) return;
    const trap = this.#traps.shift();
    if (trap === undefined) return;
    if (trap === 'slow') {
      this.#network.slowsNextEffectMs = SLOW_MS + scheduler.choices.part('troubles').pick(4) * 400;
      this.#maybeMutate(key, 'undo', [0, 100]);
      return;
    }
    if (trap === 'late') {
      this.#network.makesNextEffectLate = true;
    } else {
      const run = (): void => this.#strikeProcess(trap, process);
      scheduler.schedule({ receiver: null, delayMs: 0, run });
    }
    this.#maybeMutate(key, 'any', [null, 0, 300]);
  }

  /** An upload begins to send: how long it shall stand still in the middle, before its process dies; null: not at all. */
  springUpload(process: Process, key: string): number | null {
    const { scheduler } = this.#network;
    if (this.#uploadTrapCount === 0) return null;
    this.#uploadTrapCount -= 1;
    const run = (): void => this.#strikeProcess('crash', process);
    scheduler.schedule({ receiver: null, delayMs: 1_200, run });
    this.#maybeMutate(key, 'overwrite', [null, 1_300, 1_300]);
    return 2_000;
  }

  #maybeMutate(key: string, kind: MutationKind, delaysMs: [number | null, ...(number | null)[]]): void {
    const { scheduler } = this.#network;
    const delayMs = scheduler.choices.part('troubles').oneOf(delaysMs);
    if (delayMs === null) return;
    scheduler.schedule({ receiver: null, delayMs, run: () => this.#mutate(key, kind) });
  }

  #strikeProcess(how: 'crash' | 'pause', process: Process): void {
    for (const service of this.#services) service[how](process);
  }

  #strike(): void {
    if (this.#isOver) return;
    const choices = this.#network.scheduler.choices.part('troubles');
    const service = this.#services[choices.pick(this.#services.length)];
    switch (choices.weighted(this.#weights)) {
      case 0:
        return service?.crash();
      case 1:
        return service?.pause();
      case 2:
        return void this.#traps.push('crash');
      case 3:
        return void this.#traps.push('pause');
      case 4:
        return service?.stop();
      case 5:
        return void this.#meddle();
      case 6:
        this.#network.scheduler.note(() => 'the target forgets its uploads');
        return this.#expireUploads();
      case 7:
        return this.#deny(2_000);
      case 8:
        return void this.#traps.push('late');
      case 9:
        this.#uploadTrapCount += 1;
        return;
      case 10:
        return service?.jumpClock();
      case 11:
        return void service?.redrive('one');
      case 12:
        return void service?.redrive('class');
      case 13:
        return void service?.prune();
      case 14:
        return void service?.decideHeld();
      default:
        return void this.#traps.push('slow');
    }
  }

  #deny(ms: number): void {
    const { scheduler } = this.#network;
    scheduler.note(() => `the source denies everything for ${ms} ms`);
    this.#isDenied = true;
    const run = (): void => {
      this.#isDenied = false;
    };
    scheduler.schedule({ receiver: null, delayMs: ms, run });
  }
}
