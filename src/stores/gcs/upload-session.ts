// Resumable uploads: open, send, ask, finish, cancel. The store keeps the session; nothing is kept here.
// The address of a session is a secret that grants writing: it stands in no message.
import type { TargetMetadata, ObjectLocation } from '../../core/object.ts';
import type {
  EffectAnswer,
  Placement,
  TargetCondition,
  UploadFinishRequest,
  UploadProgress,
  UploadSendRequest,
  UploadSession,
} from '../../core/object-target.ts';
import { Fault } from '../../core/faults.ts';
import { asEffect, asRead, isSuccess, writeAnswer } from './effect-answer.ts';
import {
  faultOfAnswer,
  type GcsAnswer,
  type GcsRequestSubject,
  subjectOf,
  unreadableFault,
} from './faults.ts';
import type { GcsConnection, GcsRequest } from './gcs-connection.ts';
import { conditionPairs, encodeSegment, queryOf, requireStorableName } from './gcs-names.ts';
import { newObjectJson, parseObjectText } from './gcs-object.ts';
import { SentBody } from './sent-body.ts';
import { type SessionAddress, sessionAddress } from './session-address.ts';

/** Uploads are sent in multiples of this many bytes. */
export const BLOCK_BYTES = 256 * 1024;
/** A session URI expires a week after it was made. */
export const SESSION_LIFETIME_MS = 7 * 86_400_000;

/** 404: too old. 410: gone. 499: cancelled. */
const LOST_STATUSES = new Set([404, 410, 499]);

export async function openUpload(
  connection: GcsConnection,
  request: {
    readonly location: ObjectLocation;
    readonly condition: TargetCondition;
    readonly metadata: TargetMetadata;
    readonly placement: Placement;
  },
  signal: AbortSignal,
): Promise<UploadSession> {
  const { location, metadata, placement } = request;
  requireStorableName(location);
  const subject = subjectOf('open an upload to', location);
  const query = queryOf({
    uploadType: 'resumable',
    name: location.key,
    ...conditionPairs(request.condition),
    kmsKeyName: placement.kmsKeyName,
  });
  const { contentType } = metadata;
  const typeHeader =
    contentType !== null && /^[\x20-\x7e]+$/.test(contentType)
      ? { 'x-upload-content-type': contentType }
      : {};
  return await asRead(async () => {
    const answer = await connection.send(
      {
        subject,
        method: 'POST',
        origin: null,
        path: `/upload/storage/v1/b/${encodeSegment(location.bucket)}/o?${query}`,
        headers: { 'content-type': 'application/json; charset=UTF-8', ...typeHeader },
        body: SentBody.ofParts([Buffer.from(JSON.stringify(newObjectJson(metadata, placement, null)))]),
        authorized: true,
        deadlineMs: null,
      },
      signal,
    );
    if (!isSuccess(answer)) throw faultOfAnswer(answer, subject, connection.nowMs());
    const uri = answer.headers['location'];
    if (typeof uri !== 'string' || sessionAddress(uri, connection.origin) === null)
      throw new Fault(
        'target_answer_mismatch',
        `The upload session opened in bucket ${location.bucket} has no address on a host of the target`,
        { details: { store: 'target', bucket: location.bucket } },
      );
    return { uri };
  });
}

/**
 * Sends bytes that do not end the object. The special 503 for bytes beyond what is kept is thrown like every other
 * 5xx (`target_error`): the caller asks for the progress, and never sends the same again blindly.
 */
export async function sendUpload(
  connection: GcsConnection,
  request: UploadSendRequest,
  signal: AbortSignal,
): Promise<UploadProgress> {
  const { startByte, lengthBytes } = request;
  const endByte = startByte + lengthBytes;
  if (lengthBytes <= 0 || endByte % BLOCK_BYTES !== 0)
    throw new Error(`Bytes ${startByte} to ${endByte} do not end at a multiple of ${BLOCK_BYTES}`);
  return await asRead(async () => {
    const answer = await put(connection, request.session, signal, {
      headers: { 'content-range': `bytes ${startByte}-${endByte - 1}/*` },
      body: SentBody.ofStream(request.body, lengthBytes),
      action: 'send a part of an upload',
    });
    return progressOf(connection, answer, endByte);
  });
}

/** The query names no total: a total equal to what is kept would finish the upload. */
export async function uploadProgress(
  connection: GcsConnection,
  session: UploadSession,
  signal: AbortSignal,
): Promise<UploadProgress> {
  return await asRead(async () => {
    const answer = await put(connection, session, signal, {
      headers: { 'content-range': 'bytes */*' },
      body: null,
      action: 'ask for the progress of an upload',
    });
    return progressOf(connection, answer, null);
  });
}

/**
 * Ends the upload. A 308 proves that the object was not made: with fewer bytes kept than the object has it is
 * `target_error` (ask for the progress, send the rest); with more, the session holds other bytes than ours and is
 * `upload_session_lost`.
 */
export async function finishUpload(
  connection: GcsConnection,
  request: UploadFinishRequest,
  signal: AbortSignal,
): Promise<EffectAnswer> {
  const { startByte, lastBytes, totalBytes } = request;
  if (startByte + lastBytes.length !== totalBytes)
    throw new Error(`Bytes from ${startByte}, ${lastBytes.length} of them, do not end at ${totalBytes}`);
  const range = lastBytes.length === 0 ? '*' : `${startByte}-${totalBytes - 1}`;
  return await asEffect(async () => {
    const answer = await put(connection, request.session, signal, {
      headers: {
        'content-range': `bytes ${range}/${totalBytes}`,
        'x-goog-hash': `crc32c=${request.crc32c}`,
        ...customHeaders(request.custom),
      },
      body: lastBytes.length === 0 ? null : SentBody.ofParts([lastBytes]),
      action: 'finish an upload',
      deadlineMs: request.deadlineMs,
    });
    if (answer === 'lost' || LOST_STATUSES.has(answer.status)) throw lostFault();
    if (answer.status === 308) throw unfinishedFault(answer, totalBytes);
    return writeAnswer(answer, sessionSubject('finish an upload'), connection.nowMs());
  });
}

export async function cancelUpload(
  connection: GcsConnection,
  session: UploadSession,
  signal: AbortSignal,
): Promise<void> {
  await asRead(async () => {
    const address = sessionAddress(session.uri, connection.origin);
    if (address === null) return;
    const subject = sessionSubject('cancel an upload');
    const answer = await connection.send(
      sessionRequest(address, { subject, method: 'DELETE', headers: {}, body: null, deadlineMs: null }),
      signal,
    );
    if (!isSuccess(answer) && !LOST_STATUSES.has(answer.status))
      throw faultOfAnswer(answer, subject, connection.nowMs());
  });
}

async function put(
  connection: GcsConnection,
  session: UploadSession,
  signal: AbortSignal,
  part: {
    readonly headers: Readonly<Record<string, string>>;
    readonly body: SentBody | null;
    readonly action: string;
    readonly deadlineMs?: number;
  },
): Promise<GcsAnswer | 'lost'> {
  const address = sessionAddress(session.uri, connection.origin);
  // A session of another endpoint, kept from before the endpoint was changed: unknown here.
  if (address === null) return 'lost';
  return await connection.send(
    sessionRequest(address, {
      subject: sessionSubject(part.action),
      method: 'PUT',
      headers: part.headers,
      body: part.body,
      deadlineMs: part.deadlineMs ?? null,
    }),
    signal,
  );
}

function sessionRequest(
  address: SessionAddress,
  part: Pick<GcsRequest, 'subject' | 'method' | 'headers' | 'body' | 'deadlineMs'>,
): GcsRequest {
  return { ...part, origin: address.origin, path: address.path, authorized: false };
}

/** `sentEndByte`: the end of what was sent with this request; null for a query. */
function progressOf(
  connection: GcsConnection,
  answer: GcsAnswer | 'lost',
  sentEndByte: number | null,
): UploadProgress {
  const subject = sessionSubject('continue an upload');
  if (answer === 'lost' || LOST_STATUSES.has(answer.status)) return { kind: 'lost' };
  if (isSuccess(answer)) {
    const shown = parseObjectText(answer.text);
    if (shown === null) throw unreadableFault(answer, subject);
    return { kind: 'committed', object: shown.object };
  }
  if (answer.status !== 308) throw faultOfAnswer(answer, subject, connection.nowMs());
  const persistedBytes = persistedOf(answer);
  if (sentEndByte !== null && persistedBytes > sentEndByte)
    throw new Fault(
      'target_answer_mismatch',
      `The upload session keeps ${persistedBytes} bytes although only ${sentEndByte} were sent: it has another writer`,
      { details: { store: 'target', persistedBytes, sentBytes: sentEndByte } },
    );
  return { kind: 'open', persistedBytes };
}

/** How many bytes a 308 says are kept: none where it names no range. */
function persistedOf(answer: GcsAnswer): number {
  const range = answer.headers['range'];
  if (range === undefined) return 0;
  const last = typeof range === 'string' ? /^bytes=0-(\d+)$/.exec(range)?.[1] : undefined;
  if (last === undefined)
    throw new Fault('target_answer_mismatch', 'The upload session names a range that does not begin at 0', {
      details: { store: 'target' },
    });
  return Number(last) + 1;
}

function unfinishedFault(answer: GcsAnswer, totalBytes: number): Fault {
  const persistedBytes = persistedOf(answer);
  const details = { store: 'target', persistedBytes, totalBytes };
  if (persistedBytes > totalBytes)
    return new Fault(
      'upload_session_lost',
      `The upload session keeps ${persistedBytes} bytes of an object of ${totalBytes}: it cannot become this object`,
      { details },
    );
  return new Fault(
    'target_error',
    `The upload is not finished: the target keeps ${persistedBytes} of ${totalBytes} bytes`,
    { details },
  );
}

function lostFault(): Fault {
  return new Fault('upload_session_lost', 'The target does not know the upload session any more', {
    details: { store: 'target' },
  });
}

/** Sessions do not tell their object, and their address must not be told. */
function sessionSubject(action: string): GcsRequestSubject {
  return { action, bucket: null, key: null };
}

function customHeaders(custom: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(custom).map(([name, value]) => {
      if (!/^[a-z0-9._-]+$/.test(name) || !/^[\x20-\x7e]*$/.test(value))
        throw new Error(
          `The custom metadata ${name} cannot be sent as a header: lower-case names, ASCII values only`,
        );
      return [`x-goog-meta-${name}`, value];
    }),
  );
}
