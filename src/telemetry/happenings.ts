// From business events to log lines and metrics, each at once. The messages are fixed texts that people search for;
// what differs from line to line is in the fields.
import { FAULTS } from '../core/faults.ts';
import type { Happenings } from '../core/happenings.ts';
import type { Outcome } from '../core/transfer.ts';
import { factsOf, factsOfFault } from './event-facts.ts';
import type { Logger } from './logger.ts';
import type { HappeningMetrics } from './metrics.ts';

/** What a finished transfer is called in the log. */
const FINISHED_TEXT: Record<Outcome, string> = {
  replicated: 'completed: replicated',
  metadata_updated: 'completed: metadata updated',
  already_current: 'skipped: already exists',
  deleted: 'completed: deleted at the target',
  source_gone: 'completed: nothing to copy, the source object is gone',
  superseded: 'completed: superseded by a newer change',
  skipped: 'skipped: excluded by a rule, or its delete was rejected',
};

const SETTLING_NOTE = 'an answer of the target was lost or the worker changed: one more look follows';
const LAST_LOOK_NOTE = 'the last look after the grace';
const TAKEN_OVER_NOTE = 'an earlier attempt ended without knowing what became of its write';
const DIRTY_NOTE = 'a newer change arrived: the object is looked at again';

/** Writes each event to the log and counts it. */
export function createHappenings(deps: {
  readonly logger: Logger;
  readonly metrics: HappeningMetrics;
}): Happenings {
  const { logger, metrics } = deps;
  return {
    ...intakeHappenings(logger, metrics),
    ...finishHappenings(logger, metrics),
    ...uploadHappenings(logger, metrics),
    ...parkedHappenings(logger, metrics),
    transferStarted: (event) => {
      const { attempt, isSettling, isOwed, isProbe } = event;
      const why = isSettling ? LAST_LOOK_NOTE : isOwed ? TAKEN_OVER_NOTE : null;
      // While a store is down its state is told once, not with every attempt to find out.
      const level = isProbe ? 'debug' : 'info';
      logger[level]({ ...factsOf(event), attempt, ...(why === null ? {} : { reason: why }) }, 'started');
    },
    transferRetrying: (event) => {
      const { fault, attemptCount, retryInMs, isStoreDown } = event;
      metrics.transferRetried(fault.code);
      logger[isStoreDown ? 'debug' : 'warn'](
        { ...factsOf(event), attemptCount, retryInMs, ...factsOfFault(fault) },
        'retrying',
      );
    },
    ...givenBackHappenings(logger, metrics),
    ...storeHappenings(logger),
    workerTroubled: ({ doing, error }) => {
      metrics.workerTroubled();
      logger.error({ doing, err: error }, 'the worker is in trouble; no transfer is lost');
    },
  };
}

function givenBackHappenings(
  logger: Logger,
  metrics: HappeningMetrics,
): Pick<Happenings, 'transferReleased' | 'transferSpaced' | 'leaseLost'> {
  return {
    transferReleased: (event) => {
      if (event.reason === 'shutdown') logger.info(factsOf(event), 'released: goes on at the next start');
      else logger.debug(factsOf(event), 'a large object: waits until fewer of them are copied');
    },
    transferSpaced: (event) => {
      const { retryInMs } = event;
      logger.info({ ...factsOf(event), retryInMs }, 'waits: the target takes no change of this name yet');
    },
    leaseLost: (event) => {
      metrics.leaseLost();
      logger.warn(factsOf(event), 'lease lost: another worker has taken over');
    },
  };
}

function storeHappenings(logger: Logger): Pick<Happenings, 'storeDown' | 'storeUp'> {
  return {
    storeDown: ({ store, sinceMs, fault }) => {
      logger.error(
        {
          store,
          since: new Date(sinceMs).toISOString(),
          ...factsOfFault(fault),
          remedy: FAULTS[fault.code].remedy,
        },
        'store down: transfers wait and use up no attempts, changes are still accepted',
      );
    },
    storeUp: ({ store, sinceMs, downForMs, probeCount, waitingCount }) => {
      logger.info(
        {
          store,
          since: new Date(sinceMs).toISOString(),
          downForMs,
          probes: probeCount,
          waiting: waitingCount,
        },
        'store up again: transfers go on',
      );
    },
  };
}

function uploadHappenings(
  logger: Logger,
  metrics: HappeningMetrics,
): Pick<Happenings, 'uploadResumed' | 'uploadTooSlow' | 'uploadsSwept'> {
  return {
    uploadResumed: (event) => {
      metrics.uploadResumed();
      const { fromByte, sizeBytes, reason } = event;
      logger.info({ ...factsOf(event), fromByte, sizeBytes, reason }, 'resumed: continues where it stopped');
    },
    uploadTooSlow: (event) => {
      const { bytesDone, sizeBytes, neededMs, leftMs } = event;
      logger.warn(
        { ...factsOf(event), bytesDone, sizeBytes, neededMs, leftMs },
        'too slow: at this pace the upload session ends before the object is copied, and it would begin again',
      );
    },
    uploadsSwept: (counts) => {
      logger.info(counts, 'stored uploads that nobody goes on with were given up');
    },
  };
}

function intakeHappenings(
  logger: Logger,
  metrics: HappeningMetrics,
): Pick<Happenings, 'changeAccepted' | 'changeIgnored' | 'deliveryRepeated' | 'recordQuarantined'> {
  return {
    changeAccepted: (event) => {
      const { transport, joined } = event;
      metrics.changeSeen(joined ? 'joined' : 'accepted');
      logger.info({ ...factsOf(event), transport, joined }, 'received');
    },
    changeIgnored: ({ reason, source }) => {
      metrics.changeSeen('ignored');
      logger.info({ ...source, reason }, 'ignored');
    },
    deliveryRepeated: ({ deliveryId, itemCount }) => {
      metrics.changeSeen('repeated', itemCount);
      logger.info({ delivery: deliveryId, changes: itemCount }, 'repeated: this delivery was taken before');
    },
    recordQuarantined: ({ reason, rawStart }) => {
      metrics.changeSeen('quarantined');
      logger.error({ reason, record: rawStart }, 'quarantined: a record could not be understood and is kept');
    },
  };
}

/** What waits for a person, and what is tried without one. */
function parkedHappenings(
  logger: Logger,
  metrics: HappeningMetrics,
): Pick<Happenings, 'brakeTripped' | 'transferParked' | 'parkedRechecked' | 'parkedClassRedriven'> {
  return {
    brakeTripped: ({ ruleName, trip }) => {
      const { deletes, limit, windowMs, objects } = trip;
      logger.error(
        {
          rule: ruleName,
          deletes,
          limit,
          windowSec: windowMs / 1000,
          objects,
          remedy: FAULTS.delete_brake.remedy,
        },
        'delete brake tripped: deletes of this rule are held until a person releases or rejects them',
      );
    },
    transferParked: (event) => {
      const { fault, attemptCount } = event;
      metrics.transferEnded({ fault: fault.code });
      if (fault.code === 'delete_brake') {
        // The trip was told once, as an error.
        logger.info({ ...factsOf(event), ...factsOfFault(fault) }, 'held: the delete brake is tripped');
        return;
      }
      logger.error(
        {
          ...factsOf(event),
          attemptCount,
          ...factsOfFault(fault),
          remedy: FAULTS[fault.code].remedy,
          // Only what nobody expected needs the place in the code.
          ...(fault.code === 'bug' || fault.code === 'unexpected' ? { err: fault.cause ?? fault } : {}),
        },
        'failed: parked until a person redrives it',
      );
    },
    parkedRechecked: ({ transferId, ruleName, faultCode, count }) => {
      logger.info(
        { transferId, rule: ruleName, fault: faultCode, parked: count },
        'recheck: one of the parked transfers is tried again',
      );
    },
    parkedClassRedriven: ({ transferId, ruleName, faultCode, redriven }) => {
      logger.info(
        { transferId, rule: ruleName, fault: faultCode, redriven },
        'recheck: the reason is gone, the other parked transfers are run again',
      );
    },
  };
}

function finishHappenings(logger: Logger, metrics: HappeningMetrics): Pick<Happenings, 'transferFinished'> {
  return {
    transferFinished: (event) => {
      const { outcome, isConfirmed, status, receipt, bytesMoved, durationMs, note } = event;
      metrics.bytesTransferred(bytesMoved);
      const isWritten = outcome === 'replicated' || outcome === 'metadata_updated';
      if (receipt !== null && isWritten) metrics.lagObserved(event.ruleName, receipt.lagMs);
      const isSettling = status === 'settling';
      // A settling transfer ends with its last look and is counted then.
      if (!isSettling) metrics.transferEnded({ outcome });
      const reasons = [note, isSettling ? SETTLING_NOTE : null, status === 'queued' ? DIRTY_NOTE : null];
      const reason = reasons.filter((part) => part !== null).join('; ');
      const proof =
        receipt === null
          ? {}
          : {
              sizeBytes: receipt.sizeBytes,
              etag: receipt.etag,
              crc32c: receipt.crc32c,
              generation: receipt.generation,
              verified: receipt.verified,
              lagMs: receipt.lagMs,
              ...(receipt.droppedMetadata.length > 0 ? { droppedMetadata: receipt.droppedMetadata } : {}),
            };
      logger.info(
        {
          ...factsOf(event),
          outcome,
          bytes: bytesMoved,
          durationMs,
          ...proof,
          ...(reason === '' ? {} : { reason }),
        },
        isSettling
          ? 'settling'
          : isConfirmed
            ? 'completed: confirmed by the last look'
            : FINISHED_TEXT[outcome],
      );
    },
  };
}
