// One page of ListObjectsV2: what is asked, and the XML document that comes back. Pure.
import { Fault } from '../../core/faults.ts';
import type { ListRequest, SourceListEntry, SourceListPage } from '../../core/object-source.ts';
import { unquoted } from './object-headers.ts';
import { children, childText, parseXml, type XmlNode } from './xml.ts';

/** The most that S3 returns in one page. */
const MAX_PAGE_ENTRIES = 1000;

/** The query of one page. `cursor` is the continuation token of the page before; null for the first. */
export function listQuery(request: Omit<ListRequest, 'bucket'>): Record<string, string> {
  const query: Record<string, string> = {
    'list-type': '2',
    // XML cannot carry every key: control characters have no form in it.
    'encoding-type': 'url',
    'max-keys': String(Math.min(Math.max(Math.trunc(request.limit), 1), MAX_PAGE_ENTRIES)),
  };
  if (request.prefix !== '') query['prefix'] = request.prefix;
  // A token knows by itself where its listing began.
  if (request.cursor !== null) query['continuation-token'] = request.cursor;
  else if (request.after !== undefined) query['start-after'] = request.after;
  return query;
}

/** Reads a page; a document that cannot be trusted to be whole and right is the fault `source_error`. */
export function readListPage(document: string, bucket: string): SourceListPage {
  const root = parseXml(document, 'ListBucketResult');
  if (root === null) throw badList(bucket, 'it is not a whole ListBucketResult document');
  // A store that does not repeat the encoding has not applied it; decoding its keys would name other objects.
  const isEncoded = childText(root, 'EncodingType')?.toLowerCase() === 'url';
  const entries = children(root, 'Contents').map((entry) => readEntry(entry, isEncoded, bucket));
  const isTruncated = childText(root, 'IsTruncated')?.trim() === 'true';
  const token = childText(root, 'NextContinuationToken');
  if (isTruncated && (token === null || token === '')) {
    throw badList(bucket, 'it is truncated and has no token for the next page');
  }
  return { entries, nextCursor: isTruncated ? token : null };
}

function readEntry(entry: XmlNode, isEncoded: boolean, bucket: string): SourceListEntry {
  const rawKey = childText(entry, 'Key');
  const etag = childText(entry, 'ETag');
  const size = childText(entry, 'Size');
  const lastModifiedMs = Date.parse(childText(entry, 'LastModified') ?? '');
  if (rawKey === null || rawKey === '' || etag === null || size === null || !/^\d{1,15}$/.test(size)) {
    throw badList(bucket, 'an entry lacks its key, ETag or size');
  }
  if (Number.isNaN(lastModifiedMs)) throw badList(bucket, 'an entry has no time of change');
  return {
    key: isEncoded ? formDecoded(rawKey, bucket) : rawKey,
    etag: unquoted(etag),
    sizeBytes: Number(size),
    // Headers tell whole seconds only; a list with milliseconds would never agree with them.
    lastModifiedMs: Math.floor(lastModifiedMs / 1000) * 1000,
  };
}

function formDecoded(text: string, bucket: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch (error) {
    throw badList(bucket, 'a key is not encoded as the answer says', error);
  }
}

function badList(bucket: string, why: string, cause?: unknown): Fault {
  return new Fault('source_error', `The list of the bucket ${bucket} cannot be used: ${why}`, {
    cause,
    details: { store: 'source' },
  });
}
