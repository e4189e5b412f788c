// The bytes of an object: whole, one range of them, or unpacked on the way when they are stored gzipped and the caller
// does not say that it accepts gzip.
import { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import type { SandboxAnswer } from '../http-answer.ts';
import { notImplemented } from './errors.ts';
import type { GcsCall } from './gcs-call.ts';
import { header } from './gcs-query.ts';
import { objectEtag } from './object-resource.ts';
import { readBlocks } from './stored-bytes.ts';
import type { StoredObject } from './store-state.ts';

/** 200, 206 or 416; 501 where the bytes were not kept. */
export function downloadObject(call: GcsCall, object: StoredObject): SandboxAnswer {
  const { blocks, sizeBytes } = object.bytes;
  if (blocks === null) throw notImplemented('reading bytes of a bucket that keeps only their checksums');
  const headers = describe(object);
  if (isUnpacked(call, object)) {
    const unpacked = Readable.from(readBlocks(blocks, 0, sizeBytes)).pipe(createGunzip());
    return {
      status: 200,
      headers: {
        ...headers,
        'x-guploader-response-body-transformations': 'gunzipped',
        warning: '214 UploadServer gunzipped',
      },
      body: unpacked as AsyncIterable<Uint8Array>,
    };
  }
  const { contentEncoding } = object.fields;
  const plain = {
    ...headers,
    'accept-ranges': 'bytes',
    ...(contentEncoding === undefined ? {} : { 'content-encoding': contentEncoding }),
  };
  const range = parseRange(header(call.request, 'range'), sizeBytes);
  if (range === 'unsatisfiable')
    return {
      status: 416,
      headers: { 'content-type': 'text/plain; charset=utf-8', 'content-range': `bytes */${sizeBytes}` },
      body: 'The requested range cannot be satisfied.',
    };
  if (range === null)
    return {
      status: 200,
      headers: { ...plain, 'content-length': sizeBytes },
      body: readBlocks(blocks, 0, sizeBytes),
    };
  return {
    status: 206,
    headers: {
      ...plain,
      'content-length': range.endByte - range.startByte,
      'content-range': `bytes ${range.startByte}-${range.endByte - 1}/${sizeBytes}`,
    },
    body: readBlocks(blocks, range.startByte, range.endByte),
  };
}

function isUnpacked(call: GcsCall, object: StoredObject): boolean {
  return (
    object.fields.contentEncoding === 'gzip' &&
    !(object.fields.cacheControl ?? '').includes('no-transform') &&
    !/\bgzip\b/i.test(header(call.request, 'accept-encoding') ?? '')
  );
}

function describe(object: StoredObject): Record<string, string> {
  const { fields, bytes } = object;
  return {
    'content-type': fields.contentType ?? 'application/octet-stream',
    ...(fields.contentDisposition === undefined ? {} : { 'content-disposition': fields.contentDisposition }),
    ...(fields.contentLanguage === undefined ? {} : { 'content-language': fields.contentLanguage }),
    'cache-control': fields.cacheControl ?? 'no-cache, no-store, max-age=0, must-revalidate',
    etag: objectEtag(object),
    'last-modified': new Date(object.updatedMs).toUTCString(),
    'x-goog-generation': object.generation,
    'x-goog-metageneration': String(object.metageneration),
    'x-goog-hash': `crc32c=${bytes.crc32c}${bytes.md5 === null ? '' : `,md5=${bytes.md5}`}`,
    'x-goog-storage-class': fields.storageClass ?? 'STANDARD',
    'x-goog-stored-content-encoding': fields.contentEncoding ?? 'identity',
    'x-goog-stored-content-length': String(bytes.sizeBytes),
  };
}

interface ByteSpan {
  readonly startByte: number;
  readonly endByte: number;
}

/** Null: send everything (no range, one that does not parse, or several). */
function parseRange(text: string | null, sizeBytes: number): ByteSpan | 'unsatisfiable' | null {
  const match = /^bytes=(\d*)-(\d*)$/.exec(text ?? '');
  const [, first = '', last = ''] = match ?? [];
  if (first === '' && last === '') return null;
  if (first === '') {
    const suffixBytes = Number(last);
    if (suffixBytes === 0 || sizeBytes === 0) return 'unsatisfiable';
    return { startByte: Math.max(sizeBytes - suffixBytes, 0), endByte: sizeBytes };
  }
  const startByte = Number(first);
  const endByte = last === '' ? sizeBytes : Math.min(Number(last) + 1, sizeBytes);
  if (last !== '' && Number(last) < startByte) return null;
  return startByte >= sizeBytes ? 'unsatisfiable' : { startByte, endByte };
}
