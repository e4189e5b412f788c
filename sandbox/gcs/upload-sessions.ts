// Resumable upload sessions: how far each one got, who writes to it, and how it ended.
// A session lives one week. After that nobody remembers it (404); one that ended earlier without an object is gone (410).
import { randomBytes } from 'node:crypto';
import { ByteSink } from './stored-bytes.ts';
import type { UploadPlan } from './upload-plan.ts';

const LIFETIME_MS = 7 * 24 * 60 * 60 * 1000;

export interface UploadSession {
  readonly id: string;
  readonly openedMs: number;
  readonly keepBytes: boolean;
  /** Checksums announced on requests of the session are added to the plan's. */
  plan: UploadPlan;
  sink: ByteSink;
  /** Raised by every request that sends bytes: an older one still running may write nothing more. */
  writer: number;
  /** The finished object's resource as it was then; null while the session is open. */
  finished: Record<string, unknown> | null;
}

export type SessionLookup =
  | { readonly kind: 'found'; readonly session: UploadSession }
  | { readonly kind: 'gone' }
  | { readonly kind: 'unknown' };

/** All sessions of one sandbox. */
export class UploadSessions {
  readonly #nowMs: () => number;
  readonly #sessions = new Map<string, UploadSession>();
  readonly #goneSinceOpenedMs = new Map<string, number>();

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /** Sessions that were neither finished nor ended and are not a week old. */
  get openCount(): number {
    const nowMs = this.#nowMs();
    return [...this.#sessions.values()].filter(
      (session) => session.finished === null && nowMs - session.openedMs < LIFETIME_MS,
    ).length;
  }

  open(plan: UploadPlan, keepBytes: boolean): UploadSession {
    const session: UploadSession = {
      id: randomBytes(24).toString('base64url'),
      openedMs: this.#nowMs(),
      keepBytes,
      plan,
      sink: new ByteSink(keepBytes),
      writer: 0,
      finished: null,
    };
    this.#sessions.set(session.id, session);
    return session;
  }

  find(id: string): SessionLookup {
    const nowMs = this.#nowMs();
    const goneOpenedMs = this.#goneSinceOpenedMs.get(id);
    if (goneOpenedMs !== undefined) return { kind: nowMs - goneOpenedMs < LIFETIME_MS ? 'gone' : 'unknown' };
    const session = this.#sessions.get(id);
    if (session === undefined || nowMs - session.openedMs >= LIFETIME_MS) return { kind: 'unknown' };
    return { kind: 'found', session };
  }

  /** Ends a session without an object: cancelled, refused for its bytes, or lost. */
  end(session: UploadSession): void {
    session.writer += 1;
    session.sink = new ByteSink(false);
    this.#sessions.delete(session.id);
    this.#goneSinceOpenedMs.set(session.id, session.openedMs);
  }

  /** Marks a session finished and lets go of its bytes, which the object has now. */
  finish(session: UploadSession, resource: Record<string, unknown>): void {
    session.writer += 1;
    session.finished = resource;
    session.sink = new ByteSink(false);
  }

  /** Ends every open session, as the service may at any time. */
  loseAll(): void {
    for (const session of this.#sessions.values()) if (session.finished === null) this.end(session);
  }
}
