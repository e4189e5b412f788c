// Faults on demand: which request is hit, and what happens to it. Both sandbox stores run every request through
// this, so a test or a developer can see the service meet a bad network or a bad day of a provider.

/** Which requests a fault hits. All given conditions must hold; `path` and `query` are substrings of the raw URL. */
export interface FaultMatch {
  readonly method?: string;
  readonly path?: string;
  readonly query?: string;
  /** Substring of a request header's value, by lower-case header name. */
  readonly header?: { readonly name: string; readonly contains: string };
}

export type FaultEffect =
  /** Answered at once with this status and body; the store does nothing. */
  | {
      readonly kind: 'status';
      readonly status: number;
      readonly body?: string;
      readonly headers?: Record<string, string>;
    }
  /** The connection is cut after this many bytes of the request body arrived; the store keeps what it got. */
  | { readonly kind: 'cut_request'; readonly afterBytes: number }
  /** The connection is cut after this many bytes of the answer's body were sent. */
  | { readonly kind: 'cut_response'; readonly afterBytes: number }
  /** The answer's body stops after this many bytes with the connection open. */
  | { readonly kind: 'stall_response'; readonly afterBytes: number }
  /** The request body is read no further after this many bytes, with the connection open. */
  | { readonly kind: 'stall_request'; readonly afterBytes: number }
  /** One bit of the answer's body is flipped at this offset. */
  | { readonly kind: 'corrupt_response'; readonly atByte: number }
  /** One bit of the request body is flipped at this offset, before the store sees it. */
  | { readonly kind: 'corrupt_request'; readonly atByte: number }
  /** The store does all that was asked; then the connection is cut instead of answering. */
  | { readonly kind: 'lose_answer' }
  /** The store does all that was asked; then this status is answered instead of its own. */
  | { readonly kind: 'replace_answer'; readonly status: number; readonly body?: string }
  /** After this many bytes the answer's body comes one byte at a time. */
  | { readonly kind: 'trickle_response'; readonly afterBytes: number; readonly bytesPerSec: number }
  /** The store does all that was asked; its whole answer is sent as `edit` leaves it, right or wrong. */
  | { readonly kind: 'edit_answer'; readonly edit: (answer: WholeAnswer) => WholeAnswer }
  /** Something else happens first; then everything goes on as if nothing had. */
  | { readonly kind: 'meanwhile'; readonly run: () => Promise<unknown> | void }
  /** Everything happens, this much later. */
  | { readonly kind: 'latency'; readonly ms: number };

/** An answer of a store with all its bytes. Without a `content-length` it ends with its connection. */
interface WholeAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | number>>;
  readonly body: Buffer;
}

export interface ScriptedFault {
  readonly match: FaultMatch;
  readonly effect: FaultEffect;
  /** Matching requests let through before the first hit; 0 by default. */
  readonly skip?: number;
  /** How many matching requests are hit; 1 by default, Infinity for every one. */
  readonly times?: number;
}

export interface MatchableRequest {
  readonly method: string;
  readonly rawUrl: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

/** The script of one sandbox server. The first fault that matches a request and has hits left is taken. */
export class FaultScript {
  #entries: { fault: ScriptedFault; skipsLeft: number; hitsLeft: number }[] = [];

  add(fault: ScriptedFault): void {
    this.#entries.push({ fault, skipsLeft: fault.skip ?? 0, hitsLeft: fault.times ?? 1 });
  }

  clear(): void {
    this.#entries = [];
  }

  /** Hits that are still to come; 0 means that every fault of the script has happened. */
  get pending(): number {
    return this.#entries.reduce((sum, entry) => sum + entry.hitsLeft, 0);
  }

  take(request: MatchableRequest): FaultEffect | null {
    for (const entry of this.#entries) {
      if (entry.hitsLeft === 0 || !matches(entry.fault.match, request)) continue;
      if (entry.skipsLeft > 0) {
        entry.skipsLeft -= 1;
        continue;
      }
      entry.hitsLeft -= 1;
      return entry.fault.effect;
    }
    return null;
  }
}

function matches(match: FaultMatch, request: MatchableRequest): boolean {
  const question = request.rawUrl.indexOf('?');
  const path = question < 0 ? request.rawUrl : request.rawUrl.slice(0, question);
  const query = question < 0 ? '' : request.rawUrl.slice(question + 1);
  if (match.method !== undefined && match.method !== request.method) return false;
  if (match.path !== undefined && !path.includes(match.path)) return false;
  if (match.query !== undefined && !query.includes(match.query)) return false;
  if (match.header !== undefined) {
    const value = request.headers[match.header.name];
    if (!String(value ?? '').includes(match.header.contains)) return false;
  }
  return true;
}
