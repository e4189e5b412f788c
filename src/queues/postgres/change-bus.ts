// Tells the other processes what a commit did, and this one what theirs did, by LISTEN and NOTIFY. Notifications are
// sent after the commit, many commits in one, on the connection that listens: one inside the transaction would make
// all commits of the server wait in a row. They may get lost: what waits for them also looks by itself.
import { randomBytes } from 'node:crypto';
import type { CommitNews } from '../queue-listeners.ts';
import type { DatabaseAddress } from './connect.ts';
import { reasonOf } from './database-errors.ts';
import { KeptSession, type Session } from './kept-session.ts';

/** While nothing can be heard, work is looked for this often. */
const DEAF_POLL_MS = 1_000;
/** A process may end between its commit and its notification. */
const BEAT_MS = 5_000;
/** A notification holds 8,000 bytes at most. */
const IDS_AT_ONCE = 350;
const ID_CHARACTERS = 22;
const SENDER_CHARACTERS = 8;

interface ChangeBusOptions {
  readonly address: DatabaseAddress;
  /** Another process did this; or there may be work that nobody told of. */
  readonly onNews: (news: CommitNews) => void;
  /** Heard again after so many milliseconds without; 0 at the beginning. */
  readonly onHearing: (deafMs: number) => void;
  /** Every few seconds while it hears. */
  readonly onBeat: () => void;
  /** Told once when nothing can be heard any more, and once when it can again. */
  readonly onTrouble: (trouble: string) => void;
}

export class ChangeBus {
  readonly #options: ChangeBusOptions;
  readonly #sender = randomBytes(SENDER_CHARACTERS / 2).toString('hex');
  readonly #kept: KeptSession;
  #session: Session | null = null;
  #channel = '';
  #unsent = { transferIds: new Set<string>(), hasWork: false };
  #isSending = false;
  #deafSinceMs: number | null = null;
  #poll: NodeJS.Timeout | null = null;

  constructor(options: ChangeBusOptions) {
    this.#options = options;
    this.#kept = new KeptSession({
      address: options.address,
      beatMs: BEAT_MS,
      onUp: (session) => this.#listen(session),
      onBeat: async () => {
        options.onBeat();
        options.onNews(MAYBE_WORK);
      },
      onDown: (error) => this.#turnDeaf(error),
    });
  }

  /** Begins to listen; resolves after the first try, also where that failed. */
  start(): Promise<void> {
    return this.#kept.start();
  }

  async close(): Promise<void> {
    await this.#kept.close();
    this.#stopPolling();
  }

  /** Tells the others, soon. */
  publish({ transferIds, hasWork }: CommitNews): void {
    if (this.#session === null) return;
    for (const id of transferIds) this.#unsent.transferIds.add(id);
    this.#unsent.hasWork ||= hasWork;
    if (this.#isSending || (this.#unsent.transferIds.size === 0 && !this.#unsent.hasWork)) return;
    this.#isSending = true;
    setImmediate(() => void this.#sendAll());
  }

  async #sendAll(): Promise<void> {
    try {
      while (this.#session !== null && (this.#unsent.transferIds.size > 0 || this.#unsent.hasWork)) {
        const { transferIds, hasWork } = this.#unsent;
        this.#unsent = { transferIds: new Set(), hasWork: false };
        const payloads = this.#payloads([...transferIds], hasWork);
        await this.#session.ask('SELECT pg_notify($1, payload) FROM unnest($2::text[]) AS payload', [
          this.#channel,
          payloads,
        ]);
      }
    } catch {
      // The connection broke: its beat says so, and those who did not hear look by themselves.
    } finally {
      this.#isSending = false;
    }
  }

  #payloads(ids: readonly string[], hasWork: boolean): string[] {
    const payloads: string[] = [];
    for (let start = 0; start === 0 || start < ids.length; start += IDS_AT_ONCE) {
      const packed = ids.slice(start, start + IDS_AT_ONCE).map(packId);
      payloads.push(`${this.#sender}${hasWork && start === 0 ? 'w' : '-'}${packed.join('')}`);
    }
    return payloads;
  }

  async #listen(session: Session): Promise<void> {
    const [schema] = await session.ask('SELECT current_schema()::regnamespace::oid::bigint AS oid');
    this.#channel = `replicator_${String(schema?.['oid'])}`;
    session.client.on('notification', ({ channel, payload }) => {
      if (channel === this.#channel) this.#hear(payload ?? '');
    });
    await session.ask(`LISTEN ${this.#channel}`);
    this.#session = session;
    const deafMs = this.#deafSinceMs === null ? 0 : performance.now() - this.#deafSinceMs;
    this.#deafSinceMs = null;
    this.#stopPolling();
    if (deafMs > 0) this.#options.onTrouble('changes of other processes are heard again');
    this.#options.onHearing(deafMs);
  }

  #hear(payload: string): void {
    if (payload.startsWith(this.#sender)) return;
    const hasWork = payload[SENDER_CHARACTERS] === 'w';
    const transferIds = new Set<string>();
    for (let at = SENDER_CHARACTERS + 1; at < payload.length; at += ID_CHARACTERS)
      transferIds.add(unpackId(payload.slice(at, at + ID_CHARACTERS)));
    this.#options.onNews({ transferIds, hasWork });
  }

  #turnDeaf(error: unknown): void {
    this.#session = null;
    if (this.#deafSinceMs !== null) return;
    this.#deafSinceMs = performance.now();
    this.#options.onTrouble(
      `changes of other processes cannot be heard (${reasonOf(error)}): they are looked for every second`,
    );
    this.#poll = setInterval(() => this.#options.onNews(MAYBE_WORK), DEAF_POLL_MS);
  }

  #stopPolling(): void {
    if (this.#poll !== null) clearInterval(this.#poll);
    this.#poll = null;
  }
}

const MAYBE_WORK: CommitNews = { transferIds: new Set(), hasWork: true };

/** An id in 22 characters. */
function packId(id: string): string {
  return Buffer.from(id.replaceAll('-', ''), 'hex').toString('base64url');
}

function unpackId(packed: string): string {
  const hex = Buffer.from(packed, 'base64url').toString('hex');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
