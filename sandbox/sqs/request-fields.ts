// Reads the JSON document of one SQS request. A value of the wrong kind is refused with its name.
import { SqsError } from './sqs-errors.ts';

export type Fields = Readonly<Record<string, unknown>>;

export interface BatchEntry extends Fields {
  readonly Id: string;
}

const mostEntries = 10;

/** The document of a request; an empty body is an empty document. */
export function readFields(body: Uint8Array): Fields {
  const text = Buffer.from(body).toString('utf8');
  let parsed: unknown;
  try {
    parsed = text === '' ? {} : JSON.parse(text);
  } catch {
    throw new SqsError('InvalidParameterValue', 'The request body is not valid JSON.');
  }
  if (!isFields(parsed)) throw new SqsError('InvalidParameterValue', 'The request body is no JSON object.');
  return parsed;
}

/** Null where the field is absent. */
export function optionalText(fields: Fields, name: string): string | null {
  const value = fields[name];
  if (value === undefined || value === null) return null;
  if (typeof value !== 'string') throw wrongKind(name, 'a text');
  return value;
}

/** Throws MissingParameter where it is absent or empty. */
export function requiredText(fields: Fields, name: string): string {
  const value = optionalText(fields, name);
  if (value === null || value === '')
    throw new SqsError('MissingParameter', `The request must contain the parameter ${name}.`);
  return value;
}

/** Null where the field is absent. */
export function optionalNumber(fields: Fields, name: string): number | null {
  const value = fields[name];
  if (value === undefined || value === null) return null;
  if (typeof value !== 'number' || !Number.isInteger(value)) throw wrongKind(name, 'a whole number');
  return value;
}

/** A map of texts; empty where the field is absent. */
export function textMap(fields: Fields, name: string): Record<string, string> {
  const value = fields[name];
  if (value === undefined || value === null) return {};
  if (!isFields(value)) throw wrongKind(name, 'a map');
  const entries = Object.entries(value).map(([key, text]): [string, string] => {
    if (typeof text !== 'string') throw wrongKind(`${name}.${key}`, 'a text');
    return [key, text];
  });
  return Object.fromEntries(entries);
}

/** A list of texts; empty where the field is absent. */
export function textList(fields: Fields, name: string): string[] {
  const value = fields[name];
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw wrongKind(name, 'a list');
  return value.map((entry: unknown) => {
    if (typeof entry !== 'string') throw wrongKind(name, 'a list of texts');
    return entry;
  });
}

/** The entries of a batch: one to ten, each with an Id of its own. */
export function batchEntries(fields: Fields): BatchEntry[] {
  const value = fields['Entries'];
  const list: unknown[] = Array.isArray(value) ? value : [];
  if (list.length === 0)
    throw new SqsError('EmptyBatchRequest', 'There should be at least one entry in the request.');
  if (list.length > mostEntries)
    throw new SqsError(
      'TooManyEntriesInBatchRequest',
      `Maximum number of entries per request are ${mostEntries}. You have sent ${list.length}.`,
    );
  const seen = new Set<string>();
  return list.map((entry) => {
    if (!isFields(entry)) throw wrongKind('Entries', 'a list of maps');
    const id = optionalText(entry, 'Id') ?? '';
    if (!/^[\w-]{1,80}$/.test(id))
      throw new SqsError(
        'InvalidBatchEntryId',
        'A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 letters long.',
      );
    if (seen.has(id)) throw new SqsError('BatchEntryIdsNotDistinct', `Id ${id} repeated.`);
    seen.add(id);
    return { ...entry, Id: id };
  });
}

export function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function wrongKind(name: string, kind: string): SqsError {
  return new SqsError('InvalidParameterValue', `The parameter ${name} must be ${kind}.`);
}
