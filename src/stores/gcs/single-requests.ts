// The operations of one request each: look, insert, update of the metadata, remove, list.
import { randomUUID } from 'node:crypto';
import { Fault } from '../../core/faults.ts';
import type { ListRequest } from '../../core/object-source.ts';
import type { ObjectLocation, TargetMetadata, TargetToken } from '../../core/object.ts';
import type { EffectAnswer, InsertRequest, TargetListPage, TargetLook } from '../../core/object-target.ts';
import {
  asEffect,
  asRead,
  isObjectMissing,
  isSuccess,
  refusedAnswer,
  writeAnswer,
  wrongNameFault,
} from './effect-answer.ts';
import {
  detailsOfSubject,
  faultOfAnswer,
  type GcsRequestSubject,
  named,
  subjectOf,
  unreadableFault,
} from './faults.ts';
import type { GcsConnection } from './gcs-connection.ts';
import { conditionPairs, encodeSegment, objectPath, queryOf, requireStorableName } from './gcs-names.ts';
import {
  isRecord,
  metadataPatchJson,
  newObjectJson,
  OBJECT_FIELDS,
  parseJson,
  parseObject,
  parseObjectText,
  textOrNull,
} from './gcs-object.ts';
import { SentBody } from './sent-body.ts';

const JSON_TYPE = 'application/json; charset=UTF-8';
const FIELDS_QUERY = queryOf({ fields: OBJECT_FIELDS });

/** The most entries that the store puts on one page. */
const MAX_PAGE_ENTRIES = 1000;

export async function look(
  connection: GcsConnection,
  location: ObjectLocation,
  signal: AbortSignal,
): Promise<TargetLook> {
  return await asRead(async () => await lookOnce(connection, location, null, signal));
}

async function lookOnce(
  connection: GcsConnection,
  location: ObjectLocation,
  deadlineMs: number | null,
  signal: AbortSignal,
): Promise<TargetLook> {
  requireStorableName(location);
  const subject = subjectOf('look at', location);
  const answer = await connection.send(
    {
      subject,
      method: 'GET',
      origin: null,
      path: `${objectPath(location)}?${queryOf({ projection: 'noAcl' })}&${FIELDS_QUERY}`,
      headers: {},
      body: null,
      authorized: true,
      deadlineMs,
    },
    signal,
  );
  if (isObjectMissing(answer, subject)) return { kind: 'absent' };
  if (!isSuccess(answer)) throw faultOfAnswer(answer, subject, connection.nowMs());
  const shown = parseObjectText(answer.text);
  if (shown === null) throw unreadableFault(answer, subject);
  const wrongName = wrongNameFault(shown, subject);
  if (wrongName !== null) throw wrongName;
  return { kind: 'present', object: shown.object };
}

export async function insert(
  connection: GcsConnection,
  request: InsertRequest,
  signal: AbortSignal,
): Promise<EffectAnswer> {
  const { location, metadata, placement } = request;
  requireStorableName(location);
  const subject = subjectOf('write', location);
  const query = queryOf({
    uploadType: 'multipart',
    name: location.key,
    ...conditionPairs(request.condition),
    kmsKeyName: placement.kmsKeyName,
  });
  const boundary = `part-${randomUUID()}`;
  const json = JSON.stringify(newObjectJson(metadata, placement, request.crc32c));
  const head =
    `--${boundary}\r\nContent-Type: ${JSON_TYPE}\r\n\r\n${json}\r\n` +
    `--${boundary}\r\n${mediaPartHeader(metadata.contentType)}\r\n`;
  return await asEffect(async () => {
    const answer = await connection.send(
      {
        subject,
        method: 'POST',
        origin: null,
        path: `/upload/storage/v1/b/${encodeSegment(location.bucket)}/o?${query}&${FIELDS_QUERY}`,
        headers: { 'content-type': `multipart/related; boundary=${boundary}` },
        body: SentBody.ofParts([Buffer.from(head), request.body, Buffer.from(`\r\n--${boundary}--\r\n`)]),
        authorized: true,
        deadlineMs: request.deadlineMs,
      },
      signal,
    );
    return writeAnswer(answer, subject, connection.nowMs());
  });
}

/**
 * The type in the metadata part is the one that counts; the media part repeats it where it can stand in a header.
 * Without a type in the metadata the media part has none either, or the store would take its type for the object's.
 */
function mediaPartHeader(contentType: string | null): string {
  if (contentType === null) return '';
  const value = /^[\x20-\x7e]+$/.test(contentType) ? contentType : 'application/octet-stream';
  return `Content-Type: ${value}\r\n`;
}

/**
 * A patch, not an update: an update would reset what core does not know (holds, contexts, retention, custom time,
 * storage class where it may change, ACLs). A patch keeps custom names that it does not mention, so the present ones
 * are read first. Both conditions name the state that was read, so nothing can come between the two requests.
 */
export async function updateMetadata(
  connection: GcsConnection,
  request: {
    readonly location: ObjectLocation;
    readonly token: TargetToken;
    readonly metadata: TargetMetadata;
    readonly deadlineMs: number;
  },
  signal: AbortSignal,
): Promise<EffectAnswer> {
  const { location, token, deadlineMs } = request;
  const condition = conditionPairs(token);
  const startedAtMs = connection.monotonicMs();
  // Nothing has happened yet when this look fails: it throws, and is never "unanswered".
  const present = await asRead(async () => await lookOnce(connection, location, deadlineMs, signal));
  if (present.kind === 'absent' || present.object.token !== token) return { kind: 'conflict' };
  const subject = subjectOf('update the metadata of', location);
  const leftMs = deadlineMs - (connection.monotonicMs() - startedAtMs);
  if (leftMs <= 0)
    throw new Fault(
      'target_error',
      `No time was left for the request to ${named(subject)} after looking at it`,
      {
        details: detailsOfSubject(subject),
      },
    );
  const json = JSON.stringify(metadataPatchJson(request.metadata, present.object.metadata.custom));
  return await asEffect(async () => {
    const answer = await connection.send(
      {
        subject,
        method: 'PATCH',
        origin: null,
        path: `${objectPath(location)}?${queryOf({ ...condition, projection: 'noAcl' })}&${FIELDS_QUERY}`,
        headers: { 'content-type': JSON_TYPE },
        body: SentBody.ofParts([Buffer.from(json)]),
        authorized: true,
        deadlineMs: leftMs,
      },
      signal,
    );
    if (isObjectMissing(answer, subject)) return { kind: 'conflict' };
    return writeAnswer(answer, subject, connection.nowMs());
  });
}

/** Deletes the live object on both conditions. The `generation` parameter would remove a version for good instead. */
export async function remove(
  connection: GcsConnection,
  request: { readonly location: ObjectLocation; readonly token: TargetToken; readonly deadlineMs: number },
  signal: AbortSignal,
): Promise<EffectAnswer> {
  const { location } = request;
  requireStorableName(location);
  const subject = subjectOf('delete', location);
  return await asEffect(async () => {
    const answer = await connection.send(
      {
        subject,
        method: 'DELETE',
        origin: null,
        path: `${objectPath(location)}?${queryOf(conditionPairs(request.token))}`,
        headers: {},
        body: null,
        authorized: true,
        deadlineMs: request.deadlineMs,
      },
      signal,
    );
    if (isSuccess(answer)) return { kind: 'committed', object: null };
    if (isObjectMissing(answer, subject)) return { kind: 'conflict' };
    return refusedAnswer(answer, subject, connection.nowMs());
  });
}

export async function list(
  connection: GcsConnection,
  request: ListRequest,
  signal: AbortSignal,
): Promise<TargetListPage> {
  const { after } = request;
  if (!request.prefix.isWellFormed())
    throw new Fault('name_not_storable', 'The prefix to list is not valid Unicode', {
      details: { store: 'target', bucket: request.bucket },
    });
  const subject: GcsRequestSubject = { action: 'list', bucket: request.bucket, key: null };
  const query = queryOf({
    projection: 'noAcl',
    prefix: request.prefix === '' ? null : request.prefix,
    startOffset: after ?? null,
    pageToken: request.cursor,
    maxResults: String(Math.min(request.limit, MAX_PAGE_ENTRIES)),
    fields: `nextPageToken,items(${OBJECT_FIELDS})`,
  });
  return await asRead(async () => {
    const answer = await connection.send(
      {
        subject,
        method: 'GET',
        origin: null,
        path: `/storage/v1/b/${encodeSegment(request.bucket)}/o?${query}`,
        headers: {},
        body: null,
        authorized: true,
        deadlineMs: null,
      },
      signal,
    );
    if (!isSuccess(answer)) throw faultOfAnswer(answer, subject, connection.nowMs());
    const page = parsePage(answer.text, subject);
    // The offset is the first name that may be there, not the last one that may not.
    return after === undefined ? page : { ...page, entries: page.entries.filter(({ key }) => key !== after) };
  });
}

function parsePage(text: string, subject: GcsRequestSubject): TargetListPage {
  const json = parseJson(text);
  if (!isRecord(json)) throw unreadablePage(subject);
  const items: unknown = json['items'] ?? [];
  if (!Array.isArray(items)) throw unreadablePage(subject);
  const entries = items.map((item: unknown) => {
    const shown = parseObject(item);
    if (shown === null || shown.name === null) throw unreadablePage(subject);
    return { key: shown.name, object: shown.object };
  });
  return { entries, nextCursor: textOrNull(json['nextPageToken']) };
}

function unreadablePage(subject: GcsRequestSubject): Fault {
  return new Fault(
    'target_error',
    `The answer to the request to ${named(subject)} is not a list of objects`,
    {
      details: detailsOfSubject(subject),
    },
  );
}
