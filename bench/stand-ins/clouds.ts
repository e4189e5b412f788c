// Two stand-ins in a process of its own: an S3 whose objects exist by their names (`4096/000017` has 4096 bytes) and a
// GCS that believes what it is told. `node bench/stand-ins/clouds.ts --port N --latency MS`: S3 on N, GCS on N + 1,
// the counts of calls as JSON at `/__counts` of either. Nothing is checked here: a benchmark's run over the sandbox
// is what shows that the bytes are right.
import { createHash } from 'node:crypto';
import { parseArgs } from 'node:util';
import { createCRC64 } from 'hash-wasm';
import { type RawAnswer, type RawRequest, startRawHttpServer, textAnswer } from './raw-http-server.ts';

const { values } = parseArgs({
  options: { port: { type: 'string', default: '9100' }, latency: { type: 'string', default: '0' } },
});
const port = Number(values.port);
const latencyMs = Number(values.latency);

const BLOCK_BYTES = 1024 * 1024;
const LAST_MODIFIED = 'Mon, 23 Nov 2026 09:30:00 GMT';
const block = Buffer.alloc(BLOCK_BYTES);
for (let index = 0; index < BLOCK_BYTES; index += 1) block[index] = (index * 131 + (index >> 8)) & 255;

const counts: Record<string, number> = {};
const objects = new Map<string, string>();
const sessions = new Map<string, { readonly name: string; readonly json: Record<string, unknown> }>();
const heads = new Map<number, Promise<string>>();
const readyHeads = new Map<number, string>();
let generation = 1_764_000_000_000_000;

function count(call: string): void {
  counts[call] = (counts[call] ?? 0) + 1;
}

/** The head of an answer for an object of this size: its checksum is computed once. */
async function headOf(sizeBytes: number): Promise<string> {
  const known = heads.get(sizeBytes);
  if (known !== undefined) return known;
  const made = makeHead(sizeBytes);
  heads.set(sizeBytes, made);
  readyHeads.set(sizeBytes, await made);
  return made;
}

async function makeHead(sizeBytes: number): Promise<string> {
  const crc = await createCRC64('9a6c9329ac4bc9b5');
  const md5 = createHash('md5');
  for (let left = sizeBytes; left > 0; left -= BLOCK_BYTES) {
    const part = left >= BLOCK_BYTES ? block : block.subarray(0, left);
    crc.update(part);
    md5.update(part);
  }
  // A large object comes from a multipart upload, whose ETag is no MD5.
  const etag = md5.digest('hex') + (sizeBytes > 8 * BLOCK_BYTES ? '-16' : '');
  const checksum = Buffer.from(crc.digest('hex'), 'hex').toString('base64');
  return (
    `HTTP/1.1 200 OK\r\ncontent-length: ${sizeBytes}\r\ncontent-type: application/octet-stream\r\n` +
    `etag: "${etag}"\r\nlast-modified: ${LAST_MODIFIED}\r\naccept-ranges: bytes\r\n` +
    `x-amz-checksum-crc64nvme: ${checksum}\r\nx-amz-checksum-type: FULL_OBJECT\r\n\r\n`
  );
}

function s3(request: RawRequest): RawAnswer {
  if (request.target === '/__counts') return textAnswer('200 OK', JSON.stringify(counts));
  const sizeBytes = Number(/^\/[^/?]+\/(\d+)\//.exec(request.target)?.[1] ?? Number.NaN);
  const head = readyHeads.get(sizeBytes);
  if (head === undefined) return textAnswer('404 Not Found', '<Error><Code>NoSuchKey</Code></Error>');
  count(`s3 ${request.method}`);
  if (request.method === 'HEAD') return { head };
  return {
    head,
    body: { block: sizeBytes < BLOCK_BYTES ? block.subarray(0, sizeBytes) : block, totalBytes: sizeBytes },
  };
}

function gcs(request: RawRequest): RawAnswer {
  const { method, target } = request;
  if (target === '/__counts') return textAnswer('200 OK', JSON.stringify(counts));
  if (target.startsWith('/upload/')) return upload(request);
  if (target.startsWith('/session/')) return session(request);
  count(`gcs ${method}`);
  const name = decodeURIComponent(/\/o\/([^?]+)/.exec(target)?.[1] ?? '');
  const found = objects.get(name);
  if (found === undefined)
    return textAnswer(
      '404 Not Found',
      `{"error":{"code":404,"message":"No such object","errors":[{"reason":"notFound"}]}}`,
    );
  return textAnswer('200 OK', found);
}

function upload(request: RawRequest): RawAnswer {
  const { target, body } = request;
  const name = decodeURIComponent(/[?&]name=([^&]+)/.exec(target)?.[1] ?? '').replaceAll('+', ' ');
  if (target.includes('uploadType=resumable')) {
    count('gcs open');
    const id = String(sessions.size + 1);
    sessions.set(id, { name, json: JSON.parse(body?.toString() ?? '{}') as Record<string, unknown> });
    return textAnswer('200 OK', '', `location: http://127.0.0.1:${port + 1}/session/${id}\r\n`);
  }
  count('gcs insert');
  if (body === null) return textAnswer('413 Too Large', '{}');
  const start = body.indexOf('\r\n\r\n') + 4;
  const end = body.indexOf('\r\n--', start);
  const json = JSON.parse(body.toString('utf8', start, end)) as Record<string, unknown>;
  const bytesStart = body.indexOf('\r\n\r\n', end) + 4;
  const boundaryBytes = body.indexOf('\r\n') + 6;
  return stored(name, json, body.length - bytesStart - boundaryBytes);
}

function session(request: RawRequest): RawAnswer {
  const id = /^\/session\/(\d+)/.exec(request.target)?.[1] ?? '';
  const open = sessions.get(id);
  if (open === undefined) return textAnswer('404 Not Found', '{}');
  count('gcs send');
  const range = request.header('content-range') ?? '';
  const total = /\/(\d+)$/.exec(range)?.[1];
  const last = /^bytes \d+-(\d+)\/\*$/.exec(range)?.[1];
  if (total === undefined) return textAnswer('308 Resume Incomplete', '', `range: bytes=0-${last ?? 0}\r\n`);
  sessions.delete(id);
  const crc32c = /crc32c=([^,\s]+)/.exec(request.header('x-goog-hash') ?? '')?.[1];
  const told = request.header('x-goog-meta-replicator-crc32c');
  const metadata = {
    ...(open.json['metadata'] as object),
    ...(told === null ? {} : { 'replicator-crc32c': told }),
  };
  return stored(open.name, { ...open.json, crc32c, metadata }, Number(total));
}

function stored(name: string, json: Record<string, unknown>, sizeBytes: number): RawAnswer {
  generation += 1;
  const resource = JSON.stringify({
    ...json,
    name,
    generation: String(generation),
    metageneration: '1',
    size: String(sizeBytes),
  });
  objects.set(name, resource);
  return textAnswer('200 OK', resource);
}

for (const size of [0, 4096, 262_144, 64 * BLOCK_BYTES, 1024 * BLOCK_BYTES]) await headOf(size);
await startRawHttpServer({ port, latencyMs, respond: s3 });
await startRawHttpServer({ port: port + 1, latencyMs, respond: gcs });
process.stdout.write(`ready ${port}\n`);
