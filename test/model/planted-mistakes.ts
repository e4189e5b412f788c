// The list of all planted mistakes. Not in it: safeguard 3 (this service never looks at both sides at once), and 18
// to 23, which belong to a mode without a queue.
import type { Planted } from './planted.ts';
import { QUEUE_MISTAKES } from './planted-queue.ts';
import { STORE_MISTAKES } from './planted-stores.ts';

export const PLANTED_MISTAKES: readonly Planted[] = [...STORE_MISTAKES, ...QUEUE_MISTAKES];
