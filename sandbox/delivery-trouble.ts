// What goes wrong on the way of a message, by chance: it comes twice, late, out of order or never. The same seed and
// the same order of messages give the same troubles.
import { randomInt } from 'node:crypto';
import { SeededChance } from './seeded-chance.ts';

export interface DeliveryTrouble {
  /** Messages in a thousand that are there twice: half of them under one message id, half under two. */
  readonly duplicatePermille?: number;
  /** Messages in a thousand that later ones overtake: they are held back for up to `reorderMs`. */
  readonly reorderPermille?: number;
  /** 300 by default. */
  readonly reorderMs?: number;
  /** Messages in a thousand that come `delayMs` later. */
  readonly delayPermille?: number;
  /** 1,000 by default. */
  readonly delayMs?: number;
  /**
   * Messages in a thousand that never come. Only what another service of the cloud delivers (or `send` of the sandbox)
   * can be lost: what a client sent and SQS answered for is kept.
   */
  readonly losePermille?: number;
  /** Drawn and printed where none is given. */
  readonly seed?: number;
}

export interface TroubleCounts {
  duplicated: number;
  reordered: number;
  delayed: number;
  lost: number;
}

/** One copy of a message that is put into the queue. */
export interface PlannedCopy {
  /** Hidden for so long before it can be received. */
  readonly heldMs: number;
  readonly hasOwnId: boolean;
}

export class TroubledDelivery {
  readonly seed: number;
  readonly counts: TroubleCounts = { duplicated: 0, reordered: 0, delayed: 0, lost: 0 };
  readonly #trouble: DeliveryTrouble;
  readonly #chance: SeededChance;

  constructor(trouble: DeliveryTrouble, seed: number) {
    this.seed = seed;
    this.#trouble = trouble;
    this.#chance = new SeededChance(seed);
  }

  /** The copies of the next message; none where it is lost.  */
  plan(isLosable: boolean): PlannedCopy[] {
    const { losePermille = 0, duplicatePermille = 0 } = this.#trouble;
    const isLost = this.#chance.permille(losePermille) && isLosable;
    const isDuplicated = this.#chance.permille(duplicatePermille);
    const hasOwnId = this.#chance.permille(500);
    const copies = [
      { heldMs: this.#hold(), hasOwnId: false },
      { heldMs: this.#hold(), hasOwnId },
    ];
    if (isLost) {
      this.counts.lost += 1;
      return [];
    }
    if (isDuplicated) this.counts.duplicated += 1;
    const planned = isDuplicated ? copies : copies.slice(0, 1);
    for (const { heldMs } of planned) {
      if (heldMs >= (this.#trouble.delayMs ?? 1000)) this.counts.delayed += 1;
      else if (heldMs > 0) this.counts.reordered += 1;
    }
    return planned;
  }

  #hold(): number {
    const { reorderPermille = 0, reorderMs = 300, delayPermille = 0, delayMs = 1000 } = this.#trouble;
    const reordered = this.#chance.permille(reorderPermille) ? this.#chance.upTo(reorderMs) : 0;
    return this.#chance.permille(delayPermille) ? delayMs : Math.min(reordered, delayMs - 1);
  }
}

/** The troubles of one delivery; a seed that was not given is drawn and printed, so that the same run can be had again. */
export function troubleOf(name: string, trouble: DeliveryTrouble): TroubledDelivery {
  const seed = trouble.seed ?? randomInt(2 ** 31);
  if (trouble.seed === undefined)
    process.stdout.write(`The sandbox ${name} has trouble with its delivery: seed ${seed}\n`);
  return new TroubledDelivery(trouble, seed);
}
