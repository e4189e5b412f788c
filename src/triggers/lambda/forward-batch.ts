// Which messages of an SQS batch the service took. The batch goes as a whole first, in one request. Only where the
// service refuses its content is it halved, and halved again, until the good ones are taken and the bad ones stand
// alone; what fails for any other reason fails for all that is left.
import { ForwardError } from './forward-failure.ts';
import type { Taken } from './post-to-intake.ts';

/** A run of messages: from the first one to before the second. */
export interface BatchPart {
  readonly from: number;
  readonly to: number;
}

export interface BatchEnd {
  readonly taken: Taken;
  /** Runs that were not taken, in the order of the batch, each with its reason. */
  readonly failed: readonly (BatchPart & { readonly reason: ForwardError })[];
  readonly requests: number;
}

/** Statuses that speak of the document, not of the sender or the state of the service. */
const REFUSES_CONTENT: ReadonlySet<number> = new Set([400, 413, 415, 422]);
/** Enough to find three bad messages among a thousand; a service that refuses everything is not asked for ever. */
const MAX_REQUESTS = 64;

/**
 * Posts `count` messages by `post`, which resolves with what was taken or throws a ForwardError; anything else that
 * it throws is thrown on.
 */
export async function forwardBatch(
  count: number,
  post: (part: BatchPart) => Promise<Taken>,
): Promise<BatchEnd> {
  const waiting: BatchPart[] = [{ from: 0, to: count }];
  const failed: (BatchPart & { readonly reason: ForwardError })[] = [];
  let taken: Taken = { accepted: 0, ignored: 0, quarantined: 0, transfers: 0 };
  let requests = 0;
  let last: ForwardError | null = null;
  let mayAsk = true;
  for (let part = waiting.pop(); part !== undefined; part = waiting.pop()) {
    if (!mayAsk && last !== null) {
      failed.push({ ...part, reason: last });
      continue;
    }
    requests += 1;
    const end = await post(part).catch(asForwardError);
    if (!(end instanceof Error)) {
      taken = sum(taken, end);
      continue;
    }
    last = end;
    const isContent = end.status !== null && REFUSES_CONTENT.has(end.status);
    mayAsk = isContent && requests < MAX_REQUESTS;
    if (!isContent || part.to - part.from === 1) {
      failed.push({ ...part, reason: end });
      continue;
    }
    const middle = Math.ceil((part.from + part.to) / 2);
    waiting.push({ from: middle, to: part.to }, { from: part.from, to: middle });
  }
  return { taken, failed, requests };
}

function asForwardError(error: unknown): ForwardError {
  if (error instanceof ForwardError) return error;
  throw error;
}

function sum(a: Taken, b: Taken): Taken {
  return {
    accepted: a.accepted + b.accepted,
    ignored: a.ignored + b.ignored,
    quarantined: a.quarantined + b.quarantined,
    transfers: a.transfers + b.transfers,
  };
}
