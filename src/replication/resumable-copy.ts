// Copies a large object through one upload session: all full blocks in one streamed request, the rest with the
// checksum in the finishing request, which alone is the effect. A broken connection on either side continues in the
// same session at the offset the target acknowledged, with a read pinned to the same source state.
import { Fault } from '../core/faults.ts';
import type { MappedMetadata } from '../core/metadata-map.ts';
import type { SourceState, TargetObject } from '../core/object.ts';
import type { EffectAnswer, TargetCondition, UploadProgress, UploadSession } from '../core/object-target.ts';
import type { UploadCheckpoint, UploadStall } from '../core/transfer-queue.ts';
import type { VerifiedLevel } from '../core/transfer.ts';
import type { Attempt } from './attempt.ts';
import { ByteCursor } from './byte-cursor.ts';
import { ByteProof, canContinueProof } from './byte-proof.ts';
import { cancelQuietly } from './cancel-upload.ts';
import { isStalledForGood, mayContinue, stallAt } from './upload-stall.ts';
import { UploadPace } from './upload-pace.ts';
import {
  checkAnswer,
  type CopyResult,
  describeMismatch,
  placementOf,
  prepareCopy,
  receiptOf,
  type SourceBody,
  stampedFor,
  type Stores,
} from './copy-object.ts';

/** Resumes that brought nothing forward before the attempt gives up and leaves the rest to its retry. */
const MAX_FRUITLESS_RESUMES = 3;
/** Pause before a resume that follows one without progress; grows with their number. */
const FRUITLESS_PAUSE_MS = 1_000;
const MAX_PAUSE_MS = 30_000;

interface Upload {
  readonly stores: Stores;
  readonly attempt: Attempt;
  readonly state: SourceState;
  readonly mapped: MappedMetadata;
  readonly condition: TargetCondition;
  readonly session: UploadSession;
  readonly openedAtMs: number;
  readonly proof: ByteProof;
  readonly pace: UploadPace;
  /** Bytes sent in full blocks; what is left commits the object. */
  readonly bulkBytes: number;
  stall: UploadStall | null;
}

/** Opens a session and copies an open read whose own answer is the look that confirms `read.state`. */
export async function copyLargeObject(
  stores: Stores,
  attempt: Attempt,
  read: SourceBody,
  condition: TargetCondition,
): Promise<CopyResult> {
  const { state } = read;
  let upload: Upload;
  try {
    const mapped = prepareCopy(stores, attempt, state);
    const proof = new ByteProof({
      engine: stores.checksums,
      state,
      verify: attempt.rule.verify,
      saved: null,
    });
    const openedAtMs = stores.clock.nowMs();
    const session = await stores.target.openUpload(
      {
        location: attempt.target,
        condition,
        // The bytes are not compared yet: the finishing request adds what it proves.
        metadata: stampedFor(attempt, { state, mapped, crc32c: null, verified: 'transfer', adopted: false }),
        placement: placementOf(attempt.rule),
      },
      attempt.signal,
    );
    upload = assemble(stores, attempt, { state, mapped, condition, session, openedAtMs, proof, stall: null });
  } catch (error) {
    read.discard();
    throw error;
  }
  return runUpload(upload, 0, read);
}

/**
 * Continues the session of a checkpoint. The caller has looked: the target is at the checkpoint's condition and the
 * source shows the checkpoint's state. Null where the session is of no use any more: copy from the start.
 */
export async function resumeLargeObject(
  stores: Stores,
  attempt: Attempt,
  checkpoint: UploadCheckpoint,
): Promise<CopyResult | null> {
  const { state, session, openedAtMs, condition, stall = null } = checkpoint;
  const { verify } = attempt.rule;
  if (!canContinueProof(stores.checksums, state, verify, checkpoint)) {
    await cancelQuietly(stores, attempt, session);
    return null;
  }
  const progress = await stores.target.uploadProgress(session, attempt.signal);
  if (progress.kind === 'lost') return null;
  if (progress.kind === 'committed') {
    // An earlier finish of ours took effect after the look, or was undone before it: only a new look can tell.
    attempt.report({ bytesDone: 0, sizeBytes: state.sizeBytes, checkpoint: null });
    return { kind: 'look_again' };
  }
  const mapped = prepareCopy(stores, attempt, state);
  const proof = new ByteProof({ engine: stores.checksums, state, verify, saved: checkpoint });
  const upload = assemble(stores, attempt, {
    state,
    mapped,
    condition,
    session,
    openedAtMs,
    proof,
    stall,
  });
  attempt.resumed(
    Math.min(progress.persistedBytes, upload.bulkBytes),
    state.sizeBytes,
    'the transfer was interrupted',
  );
  return runUpload(upload, progress.persistedBytes, null);
}

function assemble(
  stores: Stores,
  attempt: Attempt,
  parts: Pick<Upload, 'state' | 'mapped' | 'condition' | 'session' | 'openedAtMs' | 'proof' | 'stall'>,
): Upload {
  const { blockBytes, uploadLifetimeMs } = stores.target.capabilities;
  const bulkBytes = Math.floor(parts.state.sizeBytes / blockBytes) * blockBytes;
  const endsAtMs = Math.min(parts.openedAtMs + uploadLifetimeMs, attempt.endsByMs ?? Infinity);
  const pace = new UploadPace(stores.clock, endsAtMs);
  return { stores, attempt, ...parts, pace, bulkBytes };
}

async function runUpload(
  upload: Upload,
  persisted: number,
  firstRead: SourceBody | null,
): Promise<CopyResult> {
  let persistedBytes = persisted;
  let read = firstRead;
  let fruitlessResumes = 0;
  for (;;) {
    const step = await sendFrom(upload, persistedBytes, read);
    read = null;
    if (step.kind === 'changed') return { kind: 'look_again' };
    if (step.kind === 'sent') return finish(upload, step.startByte, step.lastBytes);
    const progress = await askProgress(upload);
    if (progress.kind === 'lost') throw sessionLost(upload);
    if (progress.kind === 'committed') return { kind: 'look_again' };
    fruitlessResumes = progress.persistedBytes > persistedBytes ? 0 : fruitlessResumes + 1;
    if (fruitlessResumes > MAX_FRUITLESS_RESUMES) {
      await leaveStalled(upload, persistedBytes, step.fault);
      throw step.fault;
    }
    persistedBytes = progress.persistedBytes;
    const pauseMs = step.fault.retryAfterMs ?? FRUITLESS_PAUSE_MS * fruitlessResumes;
    if (pauseMs > 0) await upload.stores.clock.sleep(Math.min(pauseMs, MAX_PAUSE_MS), upload.attempt.signal);
    upload.attempt.resumed(persistedBytes, upload.state.sizeBytes, step.fault.message);
  }
}

/** The next attempt goes on with the session, unless it has taken nothing for so long that it never will. */
async function leaveStalled(upload: Upload, persistedBytes: number, fault: Fault): Promise<void> {
  // What no earlier attempt has stored is no old session.
  if (upload.attempt.claimed.checkpoint === null) return;
  if (!fault.code.startsWith('target_') || fault.code === 'target_throttled') return;
  const nowMs = upload.stores.clock.nowMs();
  upload.stall = stallAt(upload.stall, persistedBytes, nowMs);
  if (isStalledForGood(upload.stall, nowMs)) await giveUp(upload);
  else
    upload.attempt.report({
      bytesDone: persistedBytes,
      sizeBytes: upload.state.sizeBytes,
      checkpoint: checkpointOf(upload),
    });
}

type SendStep =
  | { readonly kind: 'sent'; readonly startByte: number; readonly lastBytes: Uint8Array }
  | { readonly kind: 'changed' }
  | { readonly kind: 'broken'; readonly fault: Fault };

/** Sends everything from `startByte` up to the bytes that commit, which it returns; or says how it broke. */
async function sendFrom(upload: Upload, startByte: number, given: SourceBody | null): Promise<SendStep> {
  const { stores, attempt, state, proof, bulkBytes } = upload;
  // Bytes that the target keeps already but that were never hashed (after a crash) are read again, not sent again.
  const readFrom = Math.min(startByte, proof.hashedBytes);
  let body: SourceBody | null = given;
  try {
    if (body === null && readFrom < state.sizeBytes) {
      const read = await stores.source.read(
        { location: attempt.claimed.source, pin: state, startByte: readFrom },
        attempt.signal,
      );
      if (read.kind !== 'body') {
        await giveUp(upload);
        return { kind: 'changed' };
      }
      body = read;
    }
    if (body === null) return { kind: 'sent', startByte: state.sizeBytes, lastBytes: new Uint8Array(0) };
    const cursor = new ByteCursor(body.body);
    for await (const chunk of hashed(upload, cursor.take(startByte - readFrom), readFrom)) void chunk;
    if (startByte < bulkBytes) {
      const sent = await stores.target.sendUpload(
        {
          session: upload.session,
          startByte,
          lengthBytes: bulkBytes - startByte,
          body: hashed(upload, cursor.take(bulkBytes - startByte), startByte),
        },
        attempt.signal,
      );
      if (!keepsAll(sent, bulkBytes)) {
        const kept = sent.kind === 'open' ? `${sent.persistedBytes} of ${bulkBytes}` : 'an unknown number of';
        return { kind: 'broken', fault: new Fault('target_error', `The target kept ${kept} bytes`) };
      }
    }
    const tailFrom = Math.max(startByte, bulkBytes);
    const lastBytes = await cursor.collect(state.sizeBytes - tailFrom);
    await cursor.expectEnd();
    proof.update(lastBytes, tailFrom);
    attempt.bytesMoved += lastBytes.length;
    return { kind: 'sent', startByte: tailFrom, lastBytes };
  } catch (error) {
    if (error instanceof Fault && mayContinue(error)) return { kind: 'broken', fault: error };
    await leaveForeignSession(upload, error);
    throw error;
  } finally {
    body?.discard();
  }
}

async function askProgress(upload: Upload): Promise<UploadProgress> {
  try {
    return await upload.stores.target.uploadProgress(upload.session, upload.attempt.signal);
  } catch (error) {
    await leaveForeignSession(upload, error);
    throw error;
  }
}

/** A session that shows what we did not send has another writer: the next attempt opens its own. */
async function leaveForeignSession(upload: Upload, error: unknown): Promise<void> {
  if (error instanceof Fault && error.code === 'target_answer_mismatch') await giveUp(upload);
}

function keepsAll(progress: UploadProgress, bulkBytes: number): boolean {
  return progress.kind === 'open' && progress.persistedBytes === bulkBytes;
}

/** Hashes what passes, counts it, and leaves a checkpoint for the heartbeat at every chunk. */
async function* hashed(
  upload: Upload,
  bytes: AsyncIterable<Uint8Array>,
  startByte: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  const { stores, attempt, proof, pace } = upload;
  const { sizeBytes } = upload.state;
  let offset = startByte;
  let nextCheckpoint = offset + stores.chunkBytes;
  for await (const chunk of bytes) {
    proof.update(chunk, offset);
    offset += chunk.length;
    attempt.bytesMoved += chunk.length;
    pace.moved(chunk.length);
    yield chunk;
    if (offset >= nextCheckpoint) {
      nextCheckpoint = offset + stores.chunkBytes;
      const progress = { bytesDone: offset, sizeBytes, checkpoint: checkpointOf(upload) };
      attempt.report(progress);
      const tooSlow = pace.judge(sizeBytes - offset);
      if (tooSlow !== null) attempt.tooSlow(progress, tooSlow);
    }
  }
}

function checkpointOf(upload: Upload): UploadCheckpoint {
  const { session, openedAtMs, condition, state, mapped, proof, attempt, stall } = upload;
  const { target, rule } = attempt;
  const placement = placementOf(rule);
  return {
    session,
    openedAtMs,
    target,
    placement,
    condition,
    state,
    metadataDigest: mapped.digest,
    ...(stall === null ? {} : { stall }),
    ...proof.save(),
  };
}

/** The effect. A lost answer is asked for at the session before it counts as unanswered. */
async function finish(upload: Upload, startByte: number, lastBytes: Uint8Array): Promise<CopyResult> {
  const { stores, attempt, proof, session } = upload;
  const verified = await concludeProof(upload);
  const crc32c = proof.crc32cBase64;
  // Whatever the answer is, this session is never continued: a refusal means that its bytes are wrong.
  forgetCheckpoint(upload, upload.state.sizeBytes);
  const answer = await attempt.sendEffect('write', async () => {
    const first = await stores.target.finishUpload(
      {
        session,
        startByte,
        lastBytes,
        totalBytes: upload.state.sizeBytes,
        crc32c,
        custom: { 'replicator-crc32c': crc32c, 'replicator-verified': verified },
        deadlineMs: stores.effectDeadlineMs,
      },
      attempt.signal,
    );
    return first.kind === 'unanswered' ? askSession(upload, first) : first;
  });
  if (answer.kind !== 'committed' || answer.object === null) return { kind: 'look_again' };
  return concludeUpload(upload, answer.object, verified, crc32c);
}

async function concludeProof(upload: Upload): Promise<VerifiedLevel> {
  try {
    return upload.proof.conclude();
  } catch (error) {
    await giveUp(upload);
    throw error;
  }
}

/** The session knows whether the finish took effect; if it does not answer either, the effect stays unanswered. */
async function askSession(upload: Upload, unanswered: EffectAnswer): Promise<EffectAnswer> {
  try {
    const progress = await upload.stores.target.uploadProgress(upload.session, upload.attempt.signal);
    return progress.kind === 'committed' ? progress : unanswered;
  } catch (error) {
    if (error instanceof Fault) return unanswered;
    throw error;
  }
}

/**
 * Checks the object that the finish left. Where the metadata did not come out as it was written (the finishing
 * request adds to it), it is written once more, at exactly the token of our own commit.
 */
async function concludeUpload(
  upload: Upload,
  object: TargetObject,
  verified: VerifiedLevel,
  crc32c: string,
): Promise<CopyResult> {
  const { stores, attempt, state, mapped } = upload;
  let written = object;
  if (describeMismatch(attempt, object, state, mapped, crc32c) === 'metadata') {
    const answer = await attempt.sendEffect('metadata', () =>
      stores.target.updateMetadata(
        {
          location: attempt.target,
          token: object.token,
          metadata: stampedFor(attempt, { state, mapped, crc32c, verified, adopted: false }),
          deadlineMs: stores.effectDeadlineMs,
        },
        attempt.signal,
      ),
    );
    if (answer.kind !== 'committed' || answer.object === null) return { kind: 'look_again' };
    written = answer.object;
  }
  checkAnswer(attempt, written, state, mapped, crc32c);
  return {
    kind: 'copied',
    receipt: receiptOf(stores, attempt, { state, mapped, object: written, verified }),
    copied: { state, mapped },
  };
}

/** The bytes in the session are those of a state that is gone, or wrong: nobody may ever finish it. */
async function giveUp(upload: Upload): Promise<void> {
  forgetCheckpoint(upload, 0);
  await cancelQuietly(upload.stores, upload.attempt, upload.session);
}

function forgetCheckpoint(upload: Upload, bytesDone: number): void {
  upload.attempt.report({ bytesDone, sizeBytes: upload.state.sizeBytes, checkpoint: null });
}

function sessionLost(upload: Upload): Fault {
  forgetCheckpoint(upload, 0);
  return new Fault('upload_session_lost', 'The target no longer knows the upload session');
}
