// What a cloud delivers by itself: at once, again after a failure, and given up in the end. Notifications of S3, topics
// and event buses all deliver through this.
import type { TroubledDelivery } from './delivery-trouble.ts';

/** Why one try failed. */
export interface DeliveryFailure {
  /** In words. */
  readonly reason: string;
  /** What the receiver answered; null where it did not answer. */
  readonly status: number | null;
  /** Trying again is of no use. */
  readonly isFinal?: boolean;
}

export interface Delivery {
  /** Kept among the undelivered when it is given up. */
  readonly event: object;
  /** One try; null where it succeeded. A signal ends it when the sender closes. */
  readonly send: (signal: AbortSignal) => Promise<DeliveryFailure | null>;
  /** Told once it is given up, but not of what closing gave up. */
  readonly onUndelivered?: (failure: DeliveryFailure) => void;
  /** Null, the default, where nothing goes wrong on purpose. */
  readonly trouble?: TroubledDelivery | null;
}

export class Deliveries {
  /** Events that no try delivered, oldest first. */
  readonly undelivered: object[] = [];
  readonly #retryDelaysMs: readonly number[];
  readonly #underWay = new Set<Promise<void>>();
  readonly #closing = new AbortController();

  /** Waits before the second, the third try and so on. */
  constructor(retryDelaysMs: readonly number[]) {
    this.#retryDelaysMs = retryDelaysMs;
  }

  /** Begins a delivery, or each copy that chance makes of it; never waits for it. */
  begin(delivery: Delivery): void {
    const copies = delivery.trouble?.plan(true) ?? [{ heldMs: 0 }];
    for (const { heldMs } of copies) {
      const running = this.#deliver(delivery, heldMs).finally(() => this.#underWay.delete(running));
      this.#underWay.add(running);
    }
  }

  /** Resolves once every delivery, also those begun meanwhile, has succeeded or was given up. */
  async idle(): Promise<void> {
    while (this.#underWay.size > 0) await Promise.all(this.#underWay);
  }

  /** Ends waits and tries; what was not delivered by then is given up. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.idle();
  }

  async #deliver(delivery: Delivery, heldMs: number): Promise<void> {
    const { signal } = this.#closing;
    let failure: DeliveryFailure | null = null;
    for (const delayMs of [heldMs, ...this.#retryDelaysMs]) {
      if (delayMs > 0) await waitUnlessAborted(delayMs, signal);
      if (signal.aborted) break;
      failure = await tryOnce(delivery, signal);
      if (failure === null) return;
      if (failure.isFinal === true) break;
    }
    this.undelivered.push(delivery.event);
    if (failure !== null && !signal.aborted) delivery.onUndelivered?.(failure);
  }
}

/** Whatever a receiver throws means the same to the sender: not delivered. Closing waits for no receiver. */
async function tryOnce(delivery: Delivery, signal: AbortSignal): Promise<DeliveryFailure | null> {
  const closed = Promise.withResolvers<null>();
  const end = (): void => closed.resolve(null);
  signal.addEventListener('abort', end);
  try {
    return await Promise.race([delivery.send(signal), closed.promise]);
  } catch (error) {
    return { reason: reasonOf(error), status: null };
  } finally {
    signal.removeEventListener('abort', end);
  }
}

/** Posts a document; null where the answer was a success. Rejects where there was no answer. */
export async function post(
  url: string,
  request: {
    readonly headers: Readonly<Record<string, string>>;
    readonly body: string;
    readonly method?: string;
    /** No limit by default. */
    readonly timeoutMs?: number;
  },
  signal: AbortSignal,
): Promise<DeliveryFailure | null> {
  const { timeoutMs } = request;
  const answer = await fetch(url, {
    method: request.method ?? 'POST',
    headers: request.headers,
    body: request.body,
    redirect: 'manual',
    signal: timeoutMs === undefined ? signal : AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
  });
  await answer.arrayBuffer();
  return answer.ok ? null : { reason: `the answer was ${answer.status}`, status: answer.status };
}

async function waitUnlessAborted(delayMs: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => {
    const finish = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', finish);
      resolve();
    };
    const timer = setTimeout(finish, delayMs);
    signal.addEventListener('abort', finish);
  });
}

/** The innermost reason: fetch says only that it failed, its cause says why. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.cause instanceof Error) return reasonOf(error.cause);
  return 'code' in error && typeof error.code === 'string' ? error.code : error.message;
}
