// Two stand-ins in a process of its own: an S3 whose objects exist by their names (`4096/000017` has 4096 bytes) and a
// GCS that believes what it is told. `node bench/stand-ins/clouds.ts --parts 4096x20000 [--latency MS] [--tls]` prints their
// ports, that of the counts of calls, and the certificate. Nothing is checked: a verifying run over the sandbox is what
// shows that the bytes are right.
import { createHash } from 'node:crypto';
import { parseArgs } from 'node:util';
import { crc32c } from '@node-rs/crc32';
import { createCRC64 } from 'hash-wasm';
import { selfSignedCertificate } from '../../src/triggers/testing/self-signed-certificate.ts';
import { objectsOf, partsOfText } from '../workloads.ts';
import { type RawAnswer, type RawRequest, startRawHttpServer, textAnswer } from './raw-http-server.ts';

const { values } = parseArgs({
  options: {
    latency: { type: 'string', default: '0' },
    parts: { type: 'string', default: '4096x1' },
    tls: { type: 'boolean', default: false },
  },
});
const parts = partsOfText(values.parts);
const listed = [...objectsOf({ parts })].toSorted((a, b) => (a.key < b.key ? -1 : 1));
let gcsPort = 0;
let origin = '';
let storedCount = 0;
let openedCount = 0;
const latencyMs = Number(values.latency);

const BLOCK_BYTES = 1024 * 1024;
const LAST_MODIFIED = 'Mon, 23 Nov 2026 09:30:00 GMT';
const block = Buffer.alloc(BLOCK_BYTES);
for (let index = 0; index < BLOCK_BYTES; index += 1) block[index] = (index * 131 + (index >> 8)) & 255;

const counts: Record<string, number> = {};
const objects = new Map<string, string>();
const sessions = new Map<string, { readonly name: string; readonly json: Record<string, unknown> }>();
const known = new Map<number, KnownObject>();
let generation = 1_764_000_000_000_000;

function count(call: string): void {
  counts[call] = (counts[call] ?? 0) + 1;
}

/** What every object of one size is, computed once before anything is measured. */
interface KnownObject {
  readonly head: string;
  readonly etag: string;
  readonly crc32c: string;
  readonly md5Hash: string;
}

async function knownObject(sizeBytes: number): Promise<KnownObject> {
  const crc = await createCRC64('9a6c9329ac4bc9b5');
  const md5 = createHash('md5');
  let crc32 = 0;
  for (let left = sizeBytes; left > 0; left -= BLOCK_BYTES) {
    const part = left >= BLOCK_BYTES ? block : block.subarray(0, left);
    crc.update(part);
    md5.update(part);
    crc32 = crc32c(part, crc32);
  }
  const digest = md5.digest();
  // A large object comes from a multipart upload, whose ETag is no MD5.
  const etag = digest.toString('hex') + (sizeBytes > 8 * BLOCK_BYTES ? '-16' : '');
  const checksum = Buffer.from(crc.digest('hex'), 'hex').toString('base64');
  const crcBytes = Buffer.alloc(4);
  crcBytes.writeUInt32BE(crc32);
  const head =
    `HTTP/1.1 200 OK\r\ncontent-length: ${sizeBytes}\r\ncontent-type: application/octet-stream\r\n` +
    `etag: "${etag}"\r\nlast-modified: ${LAST_MODIFIED}\r\naccept-ranges: bytes\r\n` +
    `x-amz-checksum-crc64nvme: ${checksum}\r\nx-amz-checksum-type: FULL_OBJECT\r\n\r\n`;
  return { head, etag, crc32c: crcBytes.toString('base64'), md5Hash: digest.toString('base64') };
}

/** One page of all objects: all that rclone asks for. */
function listPage(target: string): RawAnswer {
  count('s3 list');
  const query = new URLSearchParams(target.slice(target.indexOf('?')));
  const first = Number(query.get('continuation-token') ?? '0');
  const end = Math.min(first + 1000, listed.length);
  const contents: string[] = [];
  for (const { key, sizeBytes } of listed.slice(first, end))
    contents.push(
      `<Contents><Key>${key}</Key><LastModified>2026-11-23T09:30:00.000Z</LastModified>` +
        `<ETag>"${known.get(sizeBytes)?.etag ?? ''}"</ETag><Size>${sizeBytes}</Size></Contents>`,
    );
  const more =
    end < listed.length
      ? `<IsTruncated>true</IsTruncated><NextContinuationToken>${end}</NextContinuationToken>`
      : '<IsTruncated>false</IsTruncated>';
  return textAnswer('200 OK', `<ListBucketResult>${more}${contents.join('')}</ListBucketResult>`);
}

function s3(request: RawRequest): RawAnswer {
  const sizeBytes = Number(/^\/[^/?]+\/(\d+)\//.exec(request.target)?.[1] ?? Number.NaN);
  const head = known.get(sizeBytes)?.head;
  if (request.target.includes('list-type=2')) return listPage(request.target);
  if (head === undefined)
    return textAnswer(
      '404 Not Found',
      request.method === 'HEAD' ? '' : '<Error><Code>NoSuchKey</Code></Error>',
    );
  count(`s3 ${request.method}`);
  if (request.method === 'HEAD') return { head };
  return {
    head,
    body: { block: sizeBytes < BLOCK_BYTES ? block.subarray(0, sizeBytes) : block, totalBytes: sizeBytes },
  };
}

function gcs(request: RawRequest): RawAnswer {
  const { method, target } = request;
  if (target.startsWith('/upload/')) return upload(request);
  if (target.startsWith('/session/')) return session(request);
  if (/\/o\?/.test(target)) {
    count('gcs list');
    return textAnswer('200 OK', '{"kind":"storage#objects"}');
  }
  count(target.includes('/copyTo/') ? 'gcs copy' : `gcs ${method}`);
  if (target.includes('/copyTo/')) return copied(target);
  if (method === 'DELETE') return textAnswer('204 No Content', '');
  const name = decodeURIComponent(/\/o\/([^?]+)/.exec(target)?.[1] ?? '');
  const found = objects.get(name);
  if (found === undefined)
    return textAnswer(
      '404 Not Found',
      `{"error":{"code":404,"message":"No such object","errors":[{"reason":"notFound"}]}}`,
    );
  return textAnswer('200 OK', found);
}

/** Another name for what is there; counted when it was uploaded. */
function copied(target: string): RawAnswer {
  const [from = '', to = ''] = [...target.matchAll(/\/o\/([^/?]+)/g)].map(([, name = '']) =>
    decodeURIComponent(name),
  );
  const resource = objects.get(from) ?? '{}';
  objects.set(to, resource);
  return textAnswer('200 OK', resource);
}

function upload(request: RawRequest): RawAnswer {
  const { target, body } = request;
  const name = decodeURIComponent(/[?&]name=([^&]+)/.exec(target)?.[1] ?? '').replaceAll('+', ' ');
  if (target.includes('uploadType=resumable')) {
    count('gcs open');
    openedCount += 1;
    const id = String(openedCount);
    const json = JSON.parse(body === null || body.length === 0 ? '{}' : body.toString()) as Record<
      string,
      unknown
    >;
    sessions.set(id, { name: typeof json['name'] === 'string' ? json['name'] : name, json });
    return textAnswer('200 OK', '', `location: ${origin}/session/${id}\r\n`);
  }
  count('gcs insert');
  if (body === null) return textAnswer('413 Too Large', '{}');
  const start = body.indexOf('\r\n\r\n') + 4;
  const end = body.indexOf('\r\n--', start);
  const json = JSON.parse(body.toString('utf8', start, end)) as Record<string, unknown>;
  const nameInJson = typeof json['name'] === 'string' ? json['name'] : name;
  const bytesStart = body.indexOf('\r\n\r\n', end) + 4;
  // The last line is the boundary, two dashes and mostly a line break.
  const boundaryBytes = body.length - body.lastIndexOf('\r\n--');
  return stored(nameInJson, json, body.length - bytesStart - boundaryBytes);
}

function session(request: RawRequest): RawAnswer {
  const id = /^\/session\/(\d+)/.exec(request.target)?.[1] ?? '';
  const open = sessions.get(id);
  if (open === undefined) return textAnswer('404 Not Found', '{}');
  count('gcs send');
  const range = request.header('content-range') ?? '';
  const last = /^bytes \d+-(\d+)\/\*$/.exec(range)?.[1];
  // A body without a length ends with the object; a length or a range of one says so as well.
  if (last !== undefined) return incomplete(request, last);
  const total = /\/(\d+)$/.exec(range)?.[1] ?? request.bodyBytes;
  const partEnd = /^bytes \d+-(\d+)\//.exec(range)?.[1];
  if (partEnd !== undefined && Number(partEnd) + 1 < Number(total)) return incomplete(request, partEnd);
  sessions.delete(id);
  const told = request.header('x-goog-meta-replicator-crc32c');
  const metadata = {
    ...(open.json['metadata'] as object),
    ...(told === null ? {} : { 'replicator-crc32c': told }),
  };
  return stored(open.name, { ...open.json, metadata }, Number(total));
}

/** Clients in Go ask for another status, because the library under them would take a 308 for a redirect. */
function incomplete(request: RawRequest, lastByte: string): RawAnswer {
  const range = `range: bytes=0-${lastByte}\r\n`;
  return request.header('x-guploader-no-308') === 'yes'
    ? textAnswer('200 OK', '', `x-http-status-code-override: 308\r\n${range}`)
    : textAnswer('308 Resume Incomplete', '', range);
}

function stored(name: string, json: Record<string, unknown>, sizeBytes: number): RawAnswer {
  generation += 1;
  storedCount += 1;
  const resource = JSON.stringify({
    ...json,
    name,
    bucket: 'to-there',
    crc32c: known.get(sizeBytes)?.crc32c,
    md5Hash: known.get(sizeBytes)?.md5Hash,
    generation: String(generation),
    metageneration: '1',
    size: String(sizeBytes),
  });
  objects.set(name, resource);
  return textAnswer('200 OK', resource);
}

for (const { sizeBytes } of parts) known.set(sizeBytes, await knownObject(sizeBytes));
const certificate = values.tls
  ? selfSignedCertificate({ commonName: 'localhost', names: ['localhost'] })
  : null;
const s3Port = await startRawHttpServer({ latencyMs, certificate, respond: s3 });
gcsPort = await startRawHttpServer({ latencyMs, certificate, respond: gcs });
origin = values.tls ? `https://localhost:${gcsPort}` : `http://127.0.0.1:${gcsPort}`;
const countsPort = await startRawHttpServer({
  latencyMs: 0,
  certificate: null,
  respond: () => textAnswer('200 OK', JSON.stringify({ calls: counts, stored: storedCount })),
});
const pem = certificate?.pem ?? null;
process.stdout.write(`${JSON.stringify({ s3Port, gcsPort, countsPort, pem })}\n`);
