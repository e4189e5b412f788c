// One GET of an object, bound to a state or not: which request is sent, and what each answer proves. A range is
// believed only when every header shows the pinned state and the range is the one that was asked for.
import assert from 'node:assert/strict';
import { isSameState, type ObjectLocation, type SourceState } from '../../core/object.ts';
import type { SourceLook, SourceRead, SourceReadRequest } from '../../core/object-source.ts';
import { type ErrorAnswer, isDeleteMarker } from './error-answer.ts';
import { type RequestContext, sourceName } from './faults.ts';
import { type BodyLimits, brokenRead, countedBody } from './object-body.ts';
import { readContentLength, readContentRange, readSourceState } from './object-headers.ts';
import { dropBody, type S3Answer, type S3Request } from './signed-requests.ts';

type SuccessAnswer = Extract<S3Answer, { kind: 'success' }>;

/** Asks for the checksum that the store keeps; without it the store keeps it to itself. */
export const CHECKSUM_MODE = { 'x-amz-checksum-mode': 'ENABLED' } as const;

/** The GET for a read. */
export function readRequest(request: SourceReadRequest): S3Request {
  const { location, pin, startByte } = request;
  const headers: Record<string, string> = { ...CHECKSUM_MODE };
  const query: Record<string, string> = {};
  if (pin === null) {
    assert.equal(startByte, 0, 'A read without a pin starts at byte 0');
  } else {
    const isInside = startByte === 0 || (startByte > 0 && startByte < pin.sizeBytes);
    assert.ok(isInside, `A read starts inside the object: ${startByte} of ${pin.sizeBytes} bytes`);
    headers['if-match'] = `"${pin.etag}"`;
    if (startByte > 0) {
      headers['range'] = `bytes=${startByte}-`;
      // The start of a read must see what is current; only its continuation may ask for a version by name.
      if (pin.versionId !== null) query['versionId'] = pin.versionId;
    }
  }
  return { method: 'GET', bucket: location.bucket, key: location.key, query, headers };
}

/** The permission that the GET for a read needs. */
export function readPermission(request: S3Request): RequestContext['permission'] {
  return 'versionId' in request.query ? 's3:GetObjectVersion' : 's3:GetObject';
}

/** What a refused GET without a pin proves; null where it proves nothing and is a fault. */
export function provedAbsence(answer: ErrorAnswer): Extract<SourceLook, { kind: 'absent' }> | null {
  if (isDeleteMarker(answer)) return { kind: 'absent', proof: 'delete_marker' };
  if (answer.status === 404 && answer.code === 'NoSuchKey') return { kind: 'absent', proof: 'no_such_key' };
  return null;
}

/** True where a refused GET with a pin says that the pinned state is no longer there. */
export function provesChange(answer: ErrorAnswer): boolean {
  const { status, code } = answer;
  if (status === 412 || status === 405 || status === 416) return true;
  return status === 404 && (code === 'NoSuchKey' || code === 'NoSuchVersion' || isDeleteMarker(answer));
}

/** The read behind a successful GET. Drops the body where it is not the one that was asked for. */
export function openRead(
  request: SourceReadRequest,
  answer: SuccessAnswer,
  limits: BodyLimits,
  signal: AbortSignal,
): SourceRead {
  const { pin, location } = request;
  const what = sourceName(location.bucket, location.key);
  try {
    const { state, expectedBytes } = checkAnswer(request, answer, what);
    if (pin !== null && !isSameState(pin, state)) {
      dropBody(answer.body);
      return { kind: 'changed' };
    }
    return {
      kind: 'body',
      state,
      body: countedBody(answer.body, { what, expectedBytes }, limits, signal),
      discard: () => dropBody(answer.body),
    };
  } catch (error) {
    dropBody(answer.body);
    throw error;
  }
}

/** The state that an unpinned, whole-object answer shows. */
export function stateOfWhole(answer: SuccessAnswer, location: ObjectLocation): SourceState {
  const what = sourceName(location.bucket, location.key);
  return wholeAnswer(answer, what, null).state;
}

interface CheckedAnswer {
  readonly state: SourceState;
  readonly expectedBytes: number;
}

function checkAnswer(request: SourceReadRequest, answer: SuccessAnswer, what: string): CheckedAnswer {
  return request.pin !== null && request.startByte > 0
    ? rangeAnswer(request.pin, request.startByte, answer, what)
    : wholeAnswer(answer, what, request.pin);
}

function wholeAnswer(answer: SuccessAnswer, what: string, pin: SourceState | null): CheckedAnswer {
  const length = readContentLength(answer.headers);
  const expected = { what, expectedBytes: length ?? pin?.sizeBytes ?? 0 };
  if (answer.status !== 200) throw brokenRead(expected, 0, `the store answered ${answer.status}, not 200`);
  if (length === null) throw brokenRead(expected, 0, 'the answer has no Content-Length');
  return { state: readSourceState(answer.headers, length, what), expectedBytes: length };
}

function rangeAnswer(
  pin: SourceState,
  startByte: number,
  answer: SuccessAnswer,
  what: string,
): CheckedAnswer {
  const expected = { what, expectedBytes: pin.sizeBytes - startByte };
  if (answer.status !== 206) {
    throw brokenRead(expected, 0, `the store answered ${answer.status} to a range: it begins somewhere else`);
  }
  const range = readContentRange(answer.headers);
  if (range === null) throw brokenRead(expected, 0, 'the answer to a range has no usable Content-Range');
  const length = readContentLength(answer.headers);
  if (length === null) throw brokenRead(expected, 0, 'the answer has no Content-Length');
  const seen = readSourceState(answer.headers, range.totalBytes, what);
  // A checksum beside a range may be that of the range: the whole object's is the one seen with the whole.
  const state: SourceState = { ...seen, checksum: pin.checksum, md5: pin.md5 };
  const isWanted = range.firstByte === startByte && range.lastByte === range.totalBytes - 1;
  const isConsistent = length === range.totalBytes - range.firstByte;
  if (isSameState(pin, state) && !(isWanted && isConsistent)) {
    throw brokenRead(
      expected,
      0,
      `asked for bytes from ${startByte}, answered ${range.firstByte}-${range.lastByte}/${range.totalBytes} in ${length} bytes`,
    );
  }
  return { state, expectedBytes: length };
}
