// Counts nothing: for shells that live for one call only, and that nobody scrapes.
import type { HappeningMetrics } from './metrics.ts';

export const SILENT_METRICS: HappeningMetrics = {
  changeSeen: () => {},
  transferEnded: () => {},
  transferRetried: () => {},
  uploadResumed: () => {},
  bytesTransferred: () => {},
  lagObserved: () => {},
  leaseLost: () => {},
  workerTroubled: () => {},
};
