// Port: everything that a driver of a queue brings with it.
import type { DurableNotes } from './durable-notes.ts';
import type { Leadership } from './leadership.ts';
import type { TransferQueue } from './transfer-queue.ts';

/** The queue, with the notes that share its home and its durability, and who of its processes leads. */
export interface QueueStorage extends TransferQueue {
  readonly notes: DurableNotes;
  readonly leadership: Leadership;
}
