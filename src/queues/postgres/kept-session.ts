// A connection of its own for what lives as long as a session: listening, and the lock of the leader. It is looked after
// by a beat and made anew where it broke.
import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { type DatabaseAddress, openSession } from './connect.ts';
import { backendOf, SHARED_BY_A_POOLER } from './pooler.ts';

const BEAT_TIMEOUT_MS = 5_000;
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 2_000;

interface KeptSessionOptions {
  readonly address: DatabaseAddress;
  readonly beatMs: number;
  /** The session is there: to set up what lives in it. Rejects where that fails; then the session is made anew. */
  readonly onUp: (session: Session) => Promise<void>;
  /** Every beat. Rejects where the session does not answer, or not as it should. */
  readonly onBeat: (session: Session) => Promise<void>;
  /** The session broke, or could not be had. */
  readonly onDown: (error: unknown) => void;
}

/** A session that is there. */
export interface Session {
  readonly client: pg.Client;
  /** The rows of a statement, or a rejection after some seconds. */
  ask(text: string, values?: readonly unknown[]): Promise<readonly Record<string, unknown>[]>;
}

export class KeptSession {
  readonly #options: KeptSessionOptions;
  readonly #closing = new AbortController();
  #loop: Promise<void> = Promise.resolve();

  constructor(options: KeptSessionOptions) {
    this.#options = options;
  }

  /** Begins; resolves after the first try, also where that failed. */
  async start(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#loop = this.#run(resolve);
    });
  }

  /** Ends the session; resolves when nothing runs any more. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#loop;
  }

  async #run(onTried: () => void): Promise<void> {
    const { signal } = this.#closing;
    let pauseMs = FIRST_PAUSE_MS;
    while (!signal.aborted) {
      try {
        const client = await openSession(this.#options.address);
        await this.#keep(client, () => {
          pauseMs = FIRST_PAUSE_MS;
          onTried();
        });
      } catch (error) {
        this.#options.onDown(error);
        onTried();
      }
      await sleep(pauseMs, undefined, { signal }).catch(() => {});
      pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS);
    }
  }

  /** Returns when it is closed; rejects when the session breaks. */
  async #keep(client: pg.Client, onUp: () => void): Promise<void> {
    const { signal } = this.#closing;
    const broken = Promise.withResolvers<never>();
    broken.promise.catch(() => {});
    client.on('error', broken.reject);
    client.on('end', () => broken.reject(new Error('The connection ended')));
    const session: Session = { client, ask: (text, values = []) => askClient(client, text, values) };
    try {
      const pid = await backendOf(client);
      await this.#options.onUp(session);
      onUp();
      while (!signal.aborted) {
        await Promise.race([
          sleep(this.#options.beatMs, undefined, { signal }).catch(() => {}),
          broken.promise,
        ]);
        if (signal.aborted) break;
        if ((await backendOf(client)) !== pid) throw new Error(SHARED_BY_A_POOLER);
        await this.#options.onBeat(session);
      }
    } finally {
      void client.end().catch(() => {});
    }
  }
}

async function askClient(
  client: pg.Client,
  text: string,
  values: readonly unknown[],
): Promise<readonly Record<string, unknown>[]> {
  // The types of `pg` do not know the timeout of a single query.
  const query = { text, values: [...values], query_timeout: BEAT_TIMEOUT_MS };
  return (await client.query<Record<string, unknown>>(query)).rows;
}
