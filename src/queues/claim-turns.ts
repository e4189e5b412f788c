// Whose turn it is in a lane: live transfers before background ones, but never eight of them in a row while a
// background one is due, so that a backfill moves on under any load. Kept in memory: a restart begins to count anew.
import type { ClaimRoom, Lane, Priority } from '../core/transfer-queue.ts';

/** One of so many claims of a lane is left to background work. */
const BACKGROUND_TURN = 8;

/** Due rows of a lane and priority, oldest due first, at most `limit`. */
type FindDue<Row> = (lane: Lane, priority: Priority, limit: number) => readonly Row[];

/** Counts the turns of both lanes. */
export class ClaimTurns {
  readonly #liveInARow: Record<Lane, number> = { small: 0, large: 0 };

  /** What a claim with this room hands out, in its order. */
  choose<Row>(room: ClaimRoom, findDue: FindDue<Row>): { readonly lane: Lane; readonly row: Row }[] {
    const large = this.#fromLane('large', Math.min(room.large, room.total), findDue);
    return [...large, ...this.#fromLane('small', room.total - large.length, findDue)];
  }

  #fromLane<Row>(
    lane: Lane,
    limit: number,
    findDue: FindDue<Row>,
  ): { readonly lane: Lane; readonly row: Row }[] {
    if (limit === 0) return [];
    const live = findDue(lane, 'live', limit);
    const backgroundLimit = Math.min(limit, limit - live.length + Math.ceil(limit / BACKGROUND_TURN));
    const background = findDue(lane, 'background', backgroundLimit);
    const chosen: { readonly lane: Lane; readonly row: Row }[] = [];
    let liveCount = 0;
    let backgroundCount = 0;
    while (chosen.length < limit) {
      const nextLive = live[liveCount];
      const nextBackground = background[backgroundCount];
      const isBackgroundTurn = nextLive === undefined || this.#liveInARow[lane] >= BACKGROUND_TURN - 1;
      if (nextBackground !== undefined && isBackgroundTurn) {
        backgroundCount += 1;
        this.#liveInARow[lane] = 0;
        chosen.push({ lane, row: nextBackground });
      } else if (nextLive !== undefined) {
        liveCount += 1;
        this.#liveInARow[lane] += 1;
        chosen.push({ lane, row: nextLive });
      } else break;
    }
    return chosen;
  }
}

/** Throws a RangeError unless the room is of whole numbers from zero. */
export function checkRoom({ total, large }: ClaimRoom): void {
  if (!isCount(total) || !isCount(large))
    throw new RangeError('The room of a claim is of whole numbers from zero');
}

/** The lanes that have room. */
export function lanesWithRoom({ total, large }: ClaimRoom): readonly Lane[] {
  if (total === 0) return [];
  return large === 0 ? ['small'] : ['large', 'small'];
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}
