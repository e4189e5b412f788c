// Decides which requests are begun while more come than the process keeps up with, so that every caller has an answer
// soon and not only those who were first. Counted by turns of the event loop: everything that is ready in a turn waits
// for its end, and a turn takes one new connection from each listening socket.

/** A turn with so many new connections left others waiting in the system's queue, where nobody sees them. */
const FULL_TURN = 32;
/** In a turn of so long everybody waits for longer than he should. */
const LONG_TURN_MS = 100;
/** A burst is taken; full or long turns for so long are answered by refusing a part of what comes. */
const PATIENCE_MS = 250;
const STEP_MS = 50;
/** Of sixteen requests so many are refused at most. */
const OF = 16;
const MOST_REFUSED = 15;
/** Without a turn for so long nothing presses any more. */
const FORGET_MS = 1_000;

export interface Turns {
  /** By the monotonic clock. */
  nowMs(): number;
  /** Calls back once when everything that is ready now has had its turn. */
  onEnd(callback: () => void): void;
}

/** The turns of this process. */
const PROCESS_TURNS: Turns = {
  nowMs: () => performance.now(),
  onEnd: (callback) => void setImmediate(callback),
};

export class IntakePressure {
  readonly #longestTurnMs: number;
  readonly #turns: Turns;
  /** Null between turns. */
  #beganMs: number | null = null;
  #connections = 0;
  #fullSinceMs: number | null = null;
  /** Of sixteen requests so many are refused. */
  #refused = 0;
  #steppedMs = Number.NEGATIVE_INFINITY;
  #count = 0;

  /** `longestTurnMs`: what may be spent on new changes in one turn; beyond it the rest of the turn is refused. */
  constructor(longestTurnMs: number, turns: Turns = PROCESS_TURNS) {
    this.#longestTurnMs = longestTurnMs;
    this.#turns = turns;
  }

  /** To be called for every new connection. */
  connectionCame(): void {
    this.#enterTurn();
    this.#connections += 1;
  }

  /** To be called once for every request with changes: true where it has to come again. */
  mustRefuse(): boolean {
    const beganMs = this.#enterTurn();
    if (this.#turns.nowMs() - beganMs > this.#longestTurnMs) return true;
    this.#count = (this.#count + 1) % OF;
    return this.#count < this.#refused;
  }

  #enterTurn(): number {
    if (this.#beganMs !== null) return this.#beganMs;
    const nowMs = this.#turns.nowMs();
    if (nowMs - this.#steppedMs > FORGET_MS) {
      this.#refused = 0;
      this.#fullSinceMs = null;
      this.#steppedMs = nowMs;
    }
    this.#beganMs = nowMs;
    this.#turns.onEnd(() => this.#endTurn());
    return nowMs;
  }

  #endTurn(): void {
    const nowMs = this.#turns.nowMs();
    const turnMs = nowMs - (this.#beganMs ?? nowMs);
    const isFull = this.#connections >= FULL_TURN || turnMs >= LONG_TURN_MS;
    this.#fullSinceMs = isFull ? (this.#fullSinceMs ?? nowMs) : null;
    this.#beganMs = null;
    this.#connections = 0;
    if (nowMs - this.#steppedMs < STEP_MS) return;
    this.#steppedMs = nowMs;
    const isBehind = this.#fullSinceMs !== null && nowMs - this.#fullSinceMs >= PATIENCE_MS;
    this.#refused = Math.min(MOST_REFUSED, Math.max(0, this.#refused + (isBehind ? 1 : -1)));
  }
}
