// How much of a quarantined record a listing shows: a page must stay small, whatever was sent.
import { QUARANTINE_PREVIEW_BYTES } from '../core/transfer-queue.ts';

/** The text of the first bytes of a record; a character that the cut splits is left out. */
export function previewOf(raw: Uint8Array): string {
  if (raw.length <= QUARANTINE_PREVIEW_BYTES) return Buffer.from(raw).toString('utf8');
  // A streaming decoder keeps an unfinished character for the next piece, which never comes.
  return new TextDecoder().decode(raw.subarray(0, QUARANTINE_PREVIEW_BYTES), { stream: true });
}
