// The lead among the processes that share a database: whoever holds a lock that lives as long as its connection. A
// process that dies, or cannot reach the server any more, loses it with the connection.
import type { Leadership } from '../../core/leadership.ts';
import type { DatabaseAddress } from './connect.ts';
import { KeptSession, type Session } from './kept-session.ts';
import { lockKey } from './lock-key.ts';

/** How often the others try, and how soon a leader notices that its connection does not answer. */
const BEAT_MS = 1_000;
const TRY_LOCK = `SELECT pg_try_advisory_lock(${lockKey('lead')}) AS got`;

export class PostgresLeadership implements Leadership {
  readonly #session: KeptSession;
  readonly #listeners = new Set<(isLeader: boolean) => void>();
  #isLeader = false;

  constructor(address: DatabaseAddress) {
    this.#session = new KeptSession({
      address,
      beatMs: BEAT_MS,
      onUp: (session) => this.#try(session),
      onBeat: async (session) => {
        if (!this.#isLeader) await this.#try(session);
      },
      onDown: () => this.#become(false),
    });
  }

  get isLeader(): boolean {
    return this.#isLeader;
  }

  onChange(listener: (isLeader: boolean) => void): () => void {
    // A wrapper of its own for each call, so that one function given twice can be taken away once.
    const entry = (isLeader: boolean): void => listener(isLeader);
    this.#listeners.add(entry);
    return () => void this.#listeners.delete(entry);
  }

  /** Begins to try; resolves after the first time. */
  start(): Promise<void> {
    return this.#session.start();
  }

  /** Gives the lead up. */
  async close(): Promise<void> {
    await this.#session.close();
    this.#become(false);
  }

  async #try(session: Session): Promise<void> {
    const [answer] = await session.ask(TRY_LOCK);
    this.#become(answer?.['got'] === true);
  }

  #become(isLeader: boolean): void {
    if (isLeader === this.#isLeader) return;
    this.#isLeader = isLeader;
    for (const listener of this.#listeners) listener(isLeader);
  }
}
