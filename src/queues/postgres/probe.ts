// A write that shows that writes are taken, and leaves nothing behind.
import type { Statement } from './database.ts';

/** Two statements of one transaction. */
export const PROBE: readonly Statement[] = [
  {
    name: 'probe',
    text: "INSERT INTO replicator_quarantine (id, reason, raw, received_at) VALUES (gen_random_uuid(), 'probe', '', 0)",
  },
  // Nobody else's: others see rows only when they are committed, and then these are gone.
  { name: 'unprobe', text: "DELETE FROM replicator_quarantine WHERE received_at = 0 AND reason = 'probe'" },
];
