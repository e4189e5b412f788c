// Listing objects in byte order of their names, page by page, with folders (`prefixes`) made by a delimiter.
import type { SandboxAnswer } from '../http-answer.ts';
import { invalid, jsonAnswer } from './errors.ts';
import { type GcsCall, resourceFor } from './gcs-call.ts';
import type { StoredObject } from './store-state.ts';

const PAGE_LIMIT = 1000;

interface Page {
  readonly objects: StoredObject[];
  readonly prefixes: string[];
  nextToken: string | null;
}

/** GET .../o: `items`, `prefixes`, `nextPageToken`. */
export function listObjects(call: GcsCall, bucketName: string): SandboxAnswer {
  const { query } = call;
  query.allow([
    'prefix',
    'delimiter',
    'startOffset',
    'endOffset',
    'pageToken',
    'maxResults',
    'versions',
    'autoPaginate',
  ]);
  const bucket = call.state.bucket(bucketName);
  call.access.require('storage.objects.list');
  const limit = Math.min(query.count('maxResults') ?? PAGE_LIMIT, PAGE_LIMIT);
  const page = collect(call, bucketName, limit === 0 ? PAGE_LIMIT : limit);
  return jsonAnswer({
    kind: 'storage#objects',
    ...(page.nextToken === null ? {} : { nextPageToken: page.nextToken }),
    ...(page.prefixes.length === 0 ? {} : { prefixes: page.prefixes }),
    ...(page.objects.length === 0
      ? {}
      : { items: page.objects.map((object) => resourceFor(call, { ...object, bucket: bucket.name })) }),
  });
}

function collect(call: GcsCall, bucketName: string, limit: number): Page {
  const { query, state } = call;
  const bucket = state.bucket(bucketName);
  const names = state.sortedNames(bucket);
  const prefix = query.get('prefix') ?? '';
  const delimiter = query.get('delimiter') ?? '';
  const endOffset = query.get('endOffset');
  const token = query.get('pageToken');
  const from = token === null ? null : decodeToken(token);
  const page: Page = { objects: [], prefixes: [], nextToken: null };
  const starts = [prefix, query.get('startOffset') ?? '', from?.name ?? ''];
  let index = firstIndex(names, starts.reduce(laterInBytes));
  for (; index < names.length; index += 1) {
    const name = names[index] ?? '';
    if (!name.startsWith(prefix)) break;
    if (endOffset !== null && endOffset !== '' && !isBefore(name, endOffset)) break;
    const generations = state.generations(bucket, name, query.get('versions') === 'true');
    if (generations.length === 0) continue;
    const folder = folderOf(name, prefix, delimiter);
    if (folder !== null) {
      if (page.prefixes.at(-1) === folder) continue;
      if (page.objects.length + page.prefixes.length >= limit) {
        page.nextToken = encodeToken({ name, skip: 0 });
        return page;
      }
      page.prefixes.push(folder);
      continue;
    }
    const skipped = from?.name === name ? from.skip : 0;
    for (const [position, object] of generations.entries()) {
      if (position < skipped) continue;
      if (page.objects.length + page.prefixes.length >= limit) {
        page.nextToken = encodeToken({ name, skip: position });
        return page;
      }
      page.objects.push(object);
    }
  }
  return page;
}

/** The folder that stands for a name in a listing with a delimiter; null when the name stands for itself. */
function folderOf(name: string, prefix: string, delimiter: string): string | null {
  if (delimiter === '') return null;
  const end = name.indexOf(delimiter, prefix.length);
  return end < 0 ? null : name.slice(0, end + delimiter.length);
}

/** A page ends before a name that is in none of its folders, so the name says it all. */
interface Token {
  /** Where the next page begins. */
  readonly name: string;
  /** Generations of that name which the last page had. */
  readonly skip: number;
}

function encodeToken(token: Token): string {
  return Buffer.from(JSON.stringify(token)).toString('base64url');
}

function decodeToken(text: string): Token {
  try {
    return JSON.parse(Buffer.from(text, 'base64url').toString('utf8')) as Token;
  } catch (error) {
    if (error instanceof SyntaxError) throw invalid('Invalid value for pageToken');
    throw error;
  }
}

function isBefore(left: string, right: string): boolean {
  return Buffer.compare(Buffer.from(left), Buffer.from(right)) < 0;
}

function laterInBytes(left: string, right: string): string {
  return isBefore(left, right) ? right : left;
}

/** The first name that is not before `start`. */
function firstIndex(names: readonly string[], start: string): number {
  let low = 0;
  let high = names.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (isBefore(names[middle] ?? '', start)) low = middle + 1;
    else high = middle;
  }
  return low;
}
