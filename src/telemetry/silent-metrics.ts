// Counts nothing: for shells that live for one call only, and that nobody scrapes.
import type { MessageMetrics } from './message-metrics.ts';
import type { HappeningMetrics } from './metrics.ts';

export const SILENT_METRICS: HappeningMetrics & MessageMetrics = {
  changeSeen: () => {},
  transferEnded: () => {},
  transferRetried: () => {},
  uploadResumed: () => {},
  bytesTransferred: () => {},
  lagObserved: () => {},
  leaseLost: () => {},
  workerTroubled: () => {},
  lookAgainSent: () => {},
  transferLeft: () => {},
  handedOver: () => {},
  recordLeft: () => {},
};
