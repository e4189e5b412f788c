// `uploadType=resumable`: open a session, send bytes in any number of requests, ask how far it got, finish, cancel.
// Conditions are judged when the upload ends, never before. Bytes before the persisted offset are skipped without
// being compared. Of a chunk that was cut, only whole blocks of 256 KiB stay.
import type { SandboxAnswer } from '../http-answer.ts';
import { type UploadRange, parseUploadRange } from './content-range.ts';
import { HashMismatch, jsonAnswer, textAnswer } from './errors.ts';
import type { GcsCall } from './gcs-call.ts';
import { header, readJson } from './gcs-query.ts';
import { addMetadata } from './object-fields.ts';
import { BLOCK_BYTES } from './stored-bytes.ts';
import { hashesOfHeader } from './upload-hashes.ts';
import type { UploadSession } from './upload-sessions.ts';
import { finishUpload, planUpload } from './uploads-single.ts';

type ByteRange = Extract<UploadRange, { kind: 'bytes' }>;

const METADATA_HEADER_PREFIX = 'x-goog-meta-';

/** Opens a session: 200, no body, its URI in `Location`. Nothing is conditioned yet. */
export async function openSession(call: GcsCall, bucket: string): Promise<SandboxAnswer> {
  const resource = await readJson(call.request);
  const plan = planUpload(call, bucket, resource, header(call.request, 'x-upload-content-type'));
  const session = call.sessions.open(plan, call.state.keepsBytes(bucket));
  const path = `/upload/storage/v1/b/${encodeURIComponent(bucket)}/o`;
  return {
    status: 200,
    headers: {
      location: `${call.baseUrl}${path}?uploadType=resumable&upload_id=${session.id}`,
      'x-guploader-uploadid': session.id,
    },
    body: '',
  };
}

/** DELETE of a session URI: 499 when it was open or finished (a finished object stays). */
export function cancelSession(call: GcsCall, uploadId: string): SandboxAnswer {
  const lookup = call.sessions.find(uploadId);
  if (lookup.kind !== 'found') return lostSession(lookup.kind);
  call.sessions.end(lookup.session);
  return textAnswer(499, '');
}

/** PUT to a session URI: bytes, a status query or a finish. */
export async function putToSession(call: GcsCall, uploadId: string): Promise<SandboxAnswer> {
  const lookup = call.sessions.find(uploadId);
  if (lookup.kind !== 'found') return lostSession(lookup.kind);
  const { session } = lookup;
  if (session.finished !== null) return jsonAnswer(session.finished);
  const range = parseUploadRange(header(call.request, 'content-range'));
  if (range === null) return textAnswer(400, 'Failed to parse Content-Range header.');
  if (range.kind === 'status') return progress(session);
  rememberHashes(call, session);
  if (range.kind === 'finish') {
    if (range.totalBytes !== session.sink.persistedBytes) return progress(session);
    // What another request has sent beyond the last whole block is no part of the T bytes that are finished.
    session.writer += 1;
    session.sink.dropTail();
    return finish(call, session);
  }
  return receive(call, session, range);
}

async function receive(call: GcsCall, session: UploadSession, range: ByteRange): Promise<SandboxAnswer> {
  const refusal = refuseRange(session, range);
  if (refusal !== null) return refusal;
  session.writer += 1;
  const writer = session.writer;
  session.sink.dropTail();
  let bodyBytes = 0;
  // A body that breaks off leaves its tail behind; every request that follows begins by dropping it.
  for await (const chunk of call.request.body) {
    const startByte = range.startByte + bodyBytes;
    bodyBytes += chunk.length;
    if (session.writer === writer) store(session, range, startByte, chunk);
  }
  if (session.writer !== writer) return textAnswer(409, 'Another request writes to this upload.');
  return settle(call, session, range, bodyBytes);
}

/** Keeps what is new of a chunk: not what is persisted already, not what lies beyond the announced end. */
function store(session: UploadSession, range: ByteRange, startByte: number, chunk: Uint8Array): void {
  const from = Math.max(session.sink.receivedBytes - startByte, 0);
  const to = Math.min((range.endByte ?? range.totalBytes ?? Infinity) - startByte, chunk.length);
  if (from < to) session.sink.write(chunk.subarray(from, to));
}

/** The whole body of a request is there: more to come, the end of the object, or not what was announced. */
function settle(call: GcsCall, session: UploadSession, range: ByteRange, bodyBytes: number): SandboxAnswer {
  const { sink } = session;
  const announcedBytes =
    range.endByte === null
      ? Math.min(bodyBytes, (range.totalBytes ?? Infinity) - range.startByte)
      : range.endByte - range.startByte;
  if (bodyBytes !== announcedBytes) {
    sink.dropTail();
    return textAnswer(
      400,
      `Invalid request. There were ${bodyBytes} byte(s) in the request body. There should have been ` +
        `${announcedBytes} byte(s) (starting at offset ${range.startByte} and ending at offset ` +
        `${range.startByte + announcedBytes - 1}) according to the Content-Range header.`,
    );
  }
  const endByte = range.startByte + bodyBytes;
  const isEnd = range.totalBytes === null ? range.endByte === null : endByte >= range.totalBytes;
  // An end before what is persisted means that the client has lost count: it has to see that, not get an object.
  if (isEnd && endByte === sink.receivedBytes) return finish(call, session);
  sink.dropTail();
  return progress(session);
}

function refuseRange(session: UploadSession, range: ByteRange): SandboxAnswer | null {
  const { persistedBytes } = session.sink;
  if (range.startByte > persistedBytes)
    return textAnswer(
      503,
      `Invalid request. According to the Content-Range header, the upload offset is ${range.startByte} byte(s), ` +
        `which exceeds already uploaded size of ${persistedBytes} byte(s).`,
    );
  const isEnd = range.endByte === null || range.endByte === range.totalBytes;
  const lengthBytes = (range.endByte ?? 0) - range.startByte;
  if (!isEnd && lengthBytes % BLOCK_BYTES !== 0)
    return textAnswer(
      400,
      `Invalid request. The number of bytes uploaded is required to be equal or greater than ${BLOCK_BYTES}, except ` +
        `for the final request (it's recommended to be the exact multiple of ${BLOCK_BYTES}). The received request ` +
        `contained ${lengthBytes} bytes, which does not meet this requirement.`,
    );
  return null;
}

/**
 * The commit. Wrong bytes end the session; a condition that does not hold leaves it open, so that a repeated finish
 * is judged again.
 */
function finish(call: GcsCall, session: UploadSession): SandboxAnswer {
  try {
    const plan = { ...session.plan, fields: addMetadata(session.plan.fields, metadataOfHeaders(call)) };
    const resource = finishUpload(call, plan, session.sink);
    call.sessions.finish(session, resource);
    return jsonAnswer(resource);
  } catch (error) {
    if (error instanceof HashMismatch) call.sessions.end(session);
    throw error;
  }
}

function progress(session: UploadSession): SandboxAnswer {
  const { persistedBytes } = session.sink;
  return {
    status: 308,
    headers: {
      'x-guploader-uploadid': session.id,
      ...(persistedBytes === 0 ? {} : { range: `bytes=0-${persistedBytes - 1}` }),
    },
    body: '',
  };
}

function lostSession(kind: 'gone' | 'unknown'): SandboxAnswer {
  return kind === 'gone' ? textAnswer(410, 'Gone') : textAnswer(404, 'Not Found');
}

function rememberHashes(call: GcsCall, session: UploadSession): void {
  const announced = hashesOfHeader(call.request);
  if (announced.crc32c === null && announced.md5 === null) return;
  session.plan = { ...session.plan, hashes: [...session.plan.hashes, announced] };
}

function metadataOfHeaders(call: GcsCall): Record<string, string> {
  const entries: [string, string][] = [];
  for (const [name, value] of Object.entries(call.request.headers))
    if (name.startsWith(METADATA_HEADER_PREFIX) && typeof value === 'string')
      entries.push([
        name.slice(METADATA_HEADER_PREFIX.length),
        Buffer.from(value, 'latin1').toString('utf8'),
      ]);
  return Object.fromEntries(entries);
}
