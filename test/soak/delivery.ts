// How notifications travel during a soak: late, in any order, more than once, and some of them never.
import type { Choices } from '../model/choices.ts';
import type { Change, EventClient } from '../crash/event-client.ts';

const LATEST_MS = 1_500;
const LOST_PERMILLE = 80;

export class Delivery {
  readonly counts = { notifications: 0, duplicates: 0, lost: 0 };
  readonly #client: EventClient;
  readonly #choices: Choices;
  readonly #waiting = new Set<Promise<void>>();

  constructor(client: EventClient, choices: Choices) {
    this.#client = client;
    this.#choices = choices;
  }

  /** Sends a notification on its way, or loses it. */
  send(change: Change): void {
    this.counts.notifications += 1;
    // What nothing but its notification can tell is no loss that a reconcile promises to heal.
    if (this.#choices.chance(LOST_PERMILLE) && !change.isUnseenByListings) {
      this.counts.lost += 1;
      return;
    }
    const copies = 1 + this.#choices.weighted([8, 1, 1]);
    this.counts.duplicates += copies - 1;
    for (let copy = 0; copy < copies; copy += 1) this.#deliverLater(change);
  }

  /** Resolves when everything that is on its way was accepted. */
  async idle(): Promise<void> {
    while (this.#waiting.size > 0) await Promise.all(this.#waiting);
    await this.#client.idle();
  }

  #deliverLater(change: Change): void {
    const delayMs = this.#choices.pick(LATEST_MS);
    const delivered = new Promise<void>((resolve) => setTimeout(resolve, delayMs)).then(() => {
      this.#waiting.delete(delivered);
      void this.#client.announce([change]);
      return undefined;
    });
    this.#waiting.add(delivered);
  }
}
