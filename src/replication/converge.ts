// Converge: make one target key agree with its source, from what both stores show now. The order carries the
// guarantee: the target is looked at first, then the source, and every effect is conditioned on the target token of
// that look. Whenever a condition fails or an answer is missing, nothing seen so far is used again. Where no queue
// serializes the attempts of an object (stateless mode), the source is looked at once more after effects: recheck.ts.
import { crc32cFromBase64 } from '../core/checksum.ts';
import { decide, type Decision } from '../core/decide.ts';
import { Fault } from '../core/faults.ts';
import { encodingHint } from '../core/key-hint.ts';
import { mapMetadata, type MappedMetadata } from '../core/metadata-map.ts';
import { isSameState, type SourceState, type TargetObject } from '../core/object.ts';
import { RESERVED_PREFIX } from '../core/rule.ts';
import type { TargetCondition } from '../core/object-target.ts';
import type { UploadCheckpoint } from '../core/transfer-queue.ts';
import type { Outcome } from '../core/transfer.ts';
import type { Attempt, AttemptEnd, EffectKind } from './attempt.ts';
import {
  checkAnswer,
  type CopyResult,
  copySmallObject,
  placementOf,
  receiptOf,
  stampedFor,
  type Stores,
} from './copy-object.ts';
import { assertNameRested } from './name-spacing.ts';
import { afterEffect } from './recheck.ts';
import { removeObject } from './remove-object.ts';
import { cancelQuietly } from './cancel-upload.ts';
import { copyLargeObject, resumeLargeObject } from './resumable-copy.ts';

/** Times both sides are looked at in one attempt before the work goes back to the queue. */
const MAX_LOOKS = 5;

interface Looked {
  readonly state: SourceState;
  readonly mapped: MappedMetadata;
  readonly target: TargetObject | null;
}

/**
 * Runs one attempt. Returns its outcome; throws a Fault, LeaseLost, or the signal's reason. `attempt.owed` tells,
 * in every case, whether an effect of this attempt may still land.
 */
export async function converge(stores: Stores, attempt: Attempt): Promise<AttemptEnd> {
  refuseName(stores, attempt);
  if (mayAssumeAbsent(stores, attempt)) {
    const end = await copyOptimistically(stores, attempt);
    if (end !== null) return end;
  }
  for (let look = 0; look < MAX_LOOKS; look += 1) {
    const end = await lookAndAct(stores, attempt);
    if (end !== null) return end;
  }
  throw new Fault(
    'source_changing',
    `Source or target changed under each of ${MAX_LOOKS} tries to make them agree`,
  );
}

function refuseName(stores: Stores, attempt: Attempt): void {
  const { key } = attempt.target;
  if (key.startsWith(RESERVED_PREFIX)) {
    throw new Fault('reserved_name', `The target key would lie below ${RESERVED_PREFIX}`);
  }
  const problem = stores.target.capabilities.nameProblem(attempt.target);
  if (problem !== null) throw new Fault('name_not_storable', problem);
}

/**
 * "Absent" may be assumed without a look only for a small object that we have never written, at the first try: a
 * wrong guess then costs one refused request (412), and being absent carries no history that a look could see.
 */
function mayAssumeAbsent(stores: Stores, attempt: Attempt): boolean {
  const { claimed } = attempt;
  return (
    // Without a queue nobody knows what was written before.
    stores.recheck === undefined &&
    // In the background it is as likely that the object is there already.
    claimed.priority === 'live' &&
    claimed.lastReceipt === null &&
    claimed.checkpoint === null &&
    claimed.attemptCount === 0 &&
    !claimed.isSettling &&
    !claimed.isOwed &&
    claimed.sizeHintBytes !== null &&
    claimed.sizeHintBytes <= stores.chunkBytes
  );
}

async function copyOptimistically(stores: Stores, attempt: Attempt): Promise<AttemptEnd | null> {
  const read = await stores.source.read(
    { location: attempt.claimed.source, pin: null, startByte: 0 },
    attempt.signal,
  );
  // An absent source is decided with the target in sight.
  if (read.kind !== 'body') return null;
  if (read.state.sizeBytes > stores.chunkBytes) {
    read.discard();
    return null;
  }
  return endOfCopy(stores, attempt, await copySmallObject(stores, attempt, read, 'absent'), 'absent');
}

/** One look at each side, and what follows from it. Null: look again. */
async function lookAndAct(stores: Stores, attempt: Attempt): Promise<AttemptEnd | null> {
  const { source } = attempt.claimed;
  const targetLook = await stores.target.look(attempt.target, attempt.signal);
  const target = targetLook.kind === 'present' ? targetLook.object : null;
  if (target === null && attempt.claimed.checkpoint === null && attempt.unanswered === null) {
    // The whole-body read is its own look at the source: one call less.
    return copyFrom(stores, attempt, null, 'absent');
  }
  const sourceLook = await stores.source.look(source, attempt.signal);
  if (sourceLook.kind === 'absent') return sourceAbsent(stores, attempt, target);
  const looked = {
    state: sourceLook.state,
    mapped: mapMetadata(sourceLook.state.metadata, attempt.rule.metadata),
    target,
  };
  const decision = decideLooked(stores, attempt, looked);
  switch (decision.kind) {
    case 'agree':
      return agreed(stores, attempt, looked, decision);
    case 'update_metadata':
      assertNameRested(stores, attempt);
      return updateMetadata(stores, attempt, looked, decision);
    case 'copy':
      if (target !== null) assertNameRested(stores, attempt);
      return copyOrContinue(stores, attempt, looked, decision.condition);
    case 'source_gone':
    case 'delete':
      throw new Error(`The decision ${decision.kind} needs an absent source`);
  }
}

function decideLooked(stores: Stores, attempt: Attempt, looked: Looked): Decision {
  return (stores.decide ?? decide)({
    rule: attempt.rule,
    source: attempt.claimed.source,
    state: looked.state,
    metadataDigest: looked.mapped.digest,
    target: looked.target,
    receiptCrc32c: receiptCrc32c(attempt, looked.target),
  });
}

/** The receipt's CRC32C, where the receipt is of exactly this generation. */
function receiptCrc32c(attempt: Attempt, target: TargetObject | null): string | null {
  const receipt = attempt.claimed.lastReceipt;
  if (receipt === null || target === null || receipt.generation !== target.generation) return null;
  return receipt.crc32c !== null && crc32cFromBase64(receipt.crc32c) !== null ? receipt.crc32c : null;
}

async function sourceAbsent(
  stores: Stores,
  attempt: Attempt,
  target: TargetObject | null,
): Promise<AttemptEnd | null> {
  const decision = (stores.decide ?? decide)({
    rule: attempt.rule,
    source: attempt.claimed.source,
    state: null,
    metadataDigest: '',
    target,
    receiptCrc32c: receiptCrc32c(attempt, target),
  });
  if (decision.kind === 'delete') {
    if (target === null) throw new Error('An absent target cannot be deleted');
    assertNameRested(stores, attempt);
    return removeObject(stores, attempt, target);
  }
  if (target === null && ownEffect(attempt) === 'delete') return { outcome: 'deleted', receipt: null };
  attempt.note = goneNote(attempt.claimed.source.key);
  return { outcome: 'source_gone', receipt: null };
}

function goneNote(key: string): string {
  const gone = 'The source has no object of this name: it was deleted after the change, or never existed.';
  const hint = encodingHint(key);
  return hint === null ? gone : `${gone} ${hint}`;
}

/** Nothing to do: the target carries this very state. What an unanswered effect of ours did is named. */
function agreed(
  stores: Stores,
  attempt: Attempt,
  looked: Looked,
  decision: Extract<Decision, { kind: 'agree' }>,
): AttemptEnd {
  const { state, mapped, target } = looked;
  if (target === null) throw new Error('An absent target cannot agree');
  const earlier = attempt.claimed.lastReceipt;
  const verified =
    earlier !== null && earlier.generation === target.generation ? earlier.verified : decision.verified;
  const receipt = receiptOf(stores, attempt, { state, mapped, object: target, verified });
  return { outcome: outcomeOfAgreement(attempt, target), receipt };
}

/** The effect of this attempt that has made what the target shows, as far as it is known; null where none has. */
function ownEffect({ unanswered, landed }: Attempt): EffectKind | null {
  return unanswered?.effect ?? landed;
}

function outcomeOfAgreement(attempt: Attempt, target: TargetObject): Outcome {
  if (ownEffect(attempt) === 'write') return 'replicated';
  if (ownEffect(attempt) === 'metadata') return 'metadata_updated';
  const { isOwed, isSettling, lastReceipt } = attempt.claimed;
  // An earlier attempt ended without knowing what became of its write; this generation is new since the last receipt.
  const isNew = lastReceipt === null || lastReceipt.generation !== target.generation;
  return isOwed && !isSettling && isNew ? 'replicated' : 'already_current';
}

async function updateMetadata(
  stores: Stores,
  attempt: Attempt,
  looked: Looked,
  decision: Extract<Decision, { kind: 'update_metadata' }>,
): Promise<AttemptEnd | null> {
  const { state, mapped, target } = looked;
  const { verified, adopted, token, contentDiffers } = decision;
  const crc32c = target?.crc32c ?? null;
  const metadata = stampedFor(attempt, { state, mapped, crc32c, verified, adopted });
  const answer = await attempt.sendEffect('metadata', () =>
    stores.target.updateMetadata(
      { location: attempt.target, token, metadata, deadlineMs: stores.effectDeadlineMs },
      attempt.signal,
    ),
  );
  if (answer.kind !== 'committed' || answer.object === null) return null;
  checkAnswer(attempt, answer.object, state, mapped, crc32c);
  const receipt = receiptOf(stores, attempt, { state, mapped, object: answer.object, verified });
  const outcome = contentDiffers ? 'metadata_updated' : 'already_current';
  return afterEffect(stores, attempt, 'metadata', { state, mapped }, { outcome, receipt });
}

/** Goes on with the session of an earlier attempt if it belongs to exactly this state and token, else begins. */
async function copyOrContinue(
  stores: Stores,
  attempt: Attempt,
  looked: Looked,
  condition: TargetCondition,
): Promise<AttemptEnd | null> {
  const { checkpoint } = attempt.claimed;
  if (checkpoint !== null && !attempt.hasTriedCheckpoint) {
    const isOurs =
      checkpoint.condition === condition &&
      isSamePlace(checkpoint, attempt) &&
      isSameState(checkpoint.state, looked.state) &&
      checkpoint.metadataDigest === looked.mapped.digest;
    if (isOurs) attempt.enterLargeLane(looked.state.sizeBytes);
    attempt.hasTriedCheckpoint = true;
    const result = isOurs ? await resumeLargeObject(stores, attempt, checkpoint) : null;
    if (result !== null) return endOfCopy(stores, attempt, result, condition);
    attempt.report({ bytesDone: 0, sizeBytes: looked.state.sizeBytes, checkpoint: null });
    if (!isOurs) await cancelQuietly(stores, attempt, checkpoint.session);
  }
  return copyFrom(stores, attempt, looked, condition);
}

/** The session writes where it was opened for, whatever the rule says by now. */
function isSamePlace(checkpoint: UploadCheckpoint, attempt: Attempt): boolean {
  const now = placementOf(attempt.rule);
  return (
    checkpoint.target.bucket === attempt.target.bucket &&
    checkpoint.target.key === attempt.target.key &&
    checkpoint.placement.storageClass === now.storageClass &&
    checkpoint.placement.kmsKeyName === now.kmsKeyName
  );
}

async function endOfCopy(
  stores: Stores,
  attempt: Attempt,
  result: CopyResult,
  condition: TargetCondition,
): Promise<AttemptEnd | null> {
  if (result.kind !== 'copied') return null;
  if (condition === 'absent') stores.deleteBrake.objectAppeared(attempt.rule.name);
  const end: AttemptEnd = { outcome: 'replicated', receipt: result.receipt };
  return afterEffect(stores, attempt, 'write', result.copied, end);
}

/**
 * Reads the whole body, unpinned and after the look at the target, so that this read is the look at the source that
 * the write relies on. Where it shows another state than `looked`, the decision is made again from what it shows.
 */
async function copyFrom(
  stores: Stores,
  attempt: Attempt,
  looked: Looked | null,
  condition: TargetCondition,
): Promise<AttemptEnd | null> {
  attempt.assertAnswered();
  const read = await stores.source.read(
    { location: attempt.claimed.source, pin: null, startByte: 0 },
    attempt.signal,
  );
  if (read.kind === 'absent') return sourceAbsent(stores, attempt, looked?.target ?? null);
  if (read.kind === 'changed') throw new Error('An unpinned read cannot be refused as changed');
  if (looked !== null && !isSameState(looked.state, read.state)) {
    const mapped = mapMetadata(read.state.metadata, attempt.rule.metadata);
    const again = decideLooked(stores, attempt, { state: read.state, mapped, target: looked.target });
    if (again.kind !== 'copy') {
      read.discard();
      return null;
    }
  }
  if (read.state.sizeBytes <= stores.chunkBytes) {
    return endOfCopy(stores, attempt, await copySmallObject(stores, attempt, read, condition), condition);
  }
  try {
    attempt.enterLargeLane(read.state.sizeBytes);
  } catch (error) {
    read.discard();
    throw error;
  }
  return endOfCopy(stores, attempt, await copyLargeObject(stores, attempt, read, condition), condition);
}
