// Takes any document that carries S3 changes apart, as it came: what is an envelope, what is a record, and that every
// record lands in exactly one list. The record shapes are read in s3-record.ts and eventbridge.ts.
//
// Three different things are called `Records` (S3, SQS and SNS deliveries), so the shape is never told by that name:
// each value says itself what it is, by `eventSource`, `EventSource`, `source`, `Type` or `Event`, and an envelope's
// content is read as a document of its own. Any nesting that AWS can produce is therefore understood without a list
// of the combinations.
import type { IgnoredRecord, MalformedRecord, Change, ParsedChanges } from '../core/change.ts';
import { readEventBridgeEvent } from './eventbridge.ts';
import { field, isJsonObject, type JsonObject, parseJson, quoted, textField } from './json-value.ts';
import type { Reading } from './reading.ts';
import { readS3Record } from './s3-record.ts';

/** An SNS message in an SQS batch that a failed function handed on is 9 levels deep; nothing real is deeper. */
const MAX_DEPTH = 12;
/** What names itself as something else is no work; what cannot be told is kept. */
const SERVICE = /^aws:[a-z0-9-]{1,50}$/;
const EVENT_SOURCE = /^[A-Za-z0-9._/-]{1,256}$/;
/** More records than the largest request that the service reads can hold, were they real. */
const MAX_RECORDS = 50_000;

/**
 * Reads a JSON value that carries S3 changes: an S3 notification, an EventBridge event, an SNS envelope, what Lambda
 * passes from SNS or SQS, a failed invocation's record, `s3:TestEvent`, or a list of such documents.
 * Keys come back decoded, once, as their transport asks for. Never throws: what is not understood is malformed, with
 * its own JSON text, and spoils no other record of the document.
 */
export function parseChangeDocument(document: unknown): ParsedChanges {
  const changes: Change[] = [];
  const ignored: IgnoredRecord[] = [];
  const malformed: MalformedRecord[] = [];
  let recordsLeft = MAX_RECORDS;

  const take = (value: unknown, reading: Reading): void => {
    if (reading.kind === 'change') changes.push(reading.change);
    else if (reading.kind === 'ignored') ignored.push({ reason: reading.reason });
    else malformed.push({ reason: reading.reason, raw: JSON.stringify(value) ?? 'null' });
  };
  const read = (value: unknown, depth: number): void => {
    const step = depth > MAX_DEPTH ? refuse('the document is nested too deeply') : understand(value);
    if (step.kind === 'list') {
      if (step.items.length > recordsLeft) {
        take(value, refuse(`the document carries more than ${MAX_RECORDS} records`));
        return;
      }
      recordsLeft -= step.items.length;
      for (const item of step.items) read(item, depth + 1);
    } else if (step.kind === 'envelope') read(step.content, depth + 1);
    else take(value, step);
  };
  read(document, 0);
  return { changes, ignored, malformed };
}

/** What a value is: a record that has been read, an envelope around a document, or a list of documents. */
type Step =
  | Reading
  | { readonly kind: 'envelope'; readonly content: unknown }
  | { readonly kind: 'list'; readonly items: readonly unknown[] };

function understand(value: unknown): Step {
  if (Array.isArray(value)) return readList(value);
  if (!isJsonObject(value)) return refuse(`the record is ${quoted(value)}, not an object`);
  const eventSource = textField(value, 'eventSource') ?? textField(value, 'EventSource');
  if (eventSource !== null) return readRecord(value, eventSource);
  if (Object.hasOwn(value, 'detail-type')) return readFromEventBridge(value);
  if (textField(value, 'Type') !== null && Object.hasOwn(value, 'Message')) return readSnsEnvelope(value);
  if (field(value, 'Event') === 's3:TestEvent')
    return { kind: 'ignored', reason: 's3:TestEvent: S3 only tests that it can deliver' };
  if (
    textField(field(value, 'requestContext'), 'functionArn') !== null &&
    Object.hasOwn(value, 'requestPayload')
  )
    return { kind: 'envelope', content: field(value, 'requestPayload') };
  const records = field(value, 'Records');
  if (Array.isArray(records)) return readList(records);
  return refuse('the document is of no shape that carries S3 changes');
}

function refuse(reason: string): Reading {
  return { kind: 'malformed', reason };
}

function readList(items: readonly unknown[]): Step {
  return items.length === 0
    ? { kind: 'ignored', reason: 'the document carries no records' }
    : { kind: 'list', items };
}

function readRecord(record: JsonObject, eventSource: string): Step {
  if (eventSource === 'aws:sqs') return readText(field(record, 'body'), 'the body of the SQS message');
  if (eventSource === 'aws:sns')
    return readText(field(field(record, 'Sns'), 'Message'), 'the Message of the SNS record');
  // Stores that speak S3 name themselves before the colon and use the same record.
  if (eventSource.endsWith(':s3')) return readS3Record(record);
  const reason = `the event source ${quoted(eventSource)} carries no S3 changes`;
  return SERVICE.test(eventSource) && !Object.hasOwn(record, 's3')
    ? { kind: 'ignored', reason }
    : refuse(reason);
}

function readFromEventBridge(event: JsonObject): Step {
  const source = field(event, 'source');
  if (source === 'aws.s3') return readEventBridgeEvent(event);
  const reason = `the EventBridge source ${quoted(source)} carries no S3 changes`;
  return typeof source === 'string' && EVENT_SOURCE.test(source)
    ? { kind: 'ignored', reason }
    : refuse(reason);
}

function readSnsEnvelope(envelope: JsonObject): Step {
  const type = textField(envelope, 'Type');
  if (type === 'Notification')
    return readText(field(envelope, 'Message'), 'the Message of the SNS notification');
  if (type === 'SubscriptionConfirmation' || type === 'UnsubscribeConfirmation')
    return { kind: 'ignored', reason: `SNS ${type}: it carries no S3 changes` };
  return refuse(`the SNS type ${quoted(type)} is not known`);
}

function readText(text: unknown, name: string): Step {
  if (typeof text !== 'string') return refuse(`${name} is ${quoted(text)}, not text`);
  const parsed = parseJson(text);
  return 'problem' in parsed
    ? refuse(`${name} ${parsed.problem}`)
    : { kind: 'envelope', content: parsed.value };
}
