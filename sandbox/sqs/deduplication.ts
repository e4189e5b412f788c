// What a first-in-first-out queue remembers for five minutes, so that a message sent again is not there twice.
import type { SentMessage } from './stored-message.ts';

const rememberedMs = 5 * 60 * 1000;

export class Deduplication {
  readonly #sent = new Map<string, { readonly sent: SentMessage; readonly atMs: number }>();
  #lastSequence = 18_850_000_000_000_000_000n;

  /** A message with this id that was sent before, or the sequence number of a new one. */
  check(
    deduplicationId: string,
    nowMs: number,
  ):
    | { readonly kind: 'repeated'; readonly sent: SentMessage }
    | { readonly kind: 'new'; readonly sequence: string } {
    const known = this.#sent.get(deduplicationId);
    if (known !== undefined && nowMs - known.atMs < rememberedMs)
      return { kind: 'repeated', sent: known.sent };
    this.#lastSequence += 256n;
    return { kind: 'new', sequence: String(this.#lastSequence) };
  }

  remember(deduplicationId: string, sent: SentMessage, atMs: number): void {
    this.#sent.set(deduplicationId, { sent, atMs });
  }
}
