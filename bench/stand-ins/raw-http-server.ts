// An HTTP/1.1 server for measurements only: it must cost far less than the client that is measured. It understands
// requests with a length or in chunks, keeps connections open, and answers bytes that were put together before.
import type { KeyObject } from 'node:crypto';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { ChunkedBody } from './chunked-body.ts';

export interface RawRequest {
  readonly method: string;
  /** Path and query as they came. */
  readonly target: string;
  /** The value of a header; null where it is missing. */
  readonly header: (name: string) => string | null;
  /** The body where it has at most `MAX_KEPT_BYTES`, else null. */
  readonly body: Buffer | null;
  readonly bodyBytes: number;
}

/** The answer: its head, and a body that is sent so many times. */
export interface RawAnswer {
  readonly head: Buffer | string;
  readonly body?: { readonly block: Buffer; readonly totalBytes: number };
}

export type Respond = (request: RawRequest) => RawAnswer;

/** Larger bodies are counted and thrown away. */
const MAX_KEPT_BYTES = 1024 * 1024;
const HEAD_END = Buffer.from('\r\n\r\n');

/** Starts on loopback and answers its port; `latencyMs` passes before every answer. With a certificate it speaks TLS. */
export async function startRawHttpServer(options: {
  readonly latencyMs: number;
  readonly certificate: { readonly pem: string; readonly privateKey: KeyObject } | null;
  readonly respond: Respond;
}): Promise<number> {
  const { certificate } = options;
  const take = (socket: Socket): void => void new Connection(socket, options);
  const server: Server =
    certificate === null
      ? createServer({ noDelay: true }, take)
      : createTlsServer(
          {
            cert: certificate.pem,
            key: certificate.privateKey.export({ type: 'pkcs8', format: 'pem' }),
            noDelay: true,
          },
          take,
        ).on('tlsClientError', () => {});
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', 4096, resolve));
  return (server.address() as AddressInfo).port;
}

/** A text answer with its length. */
export function textAnswer(status: string, text: string, headers = ''): RawAnswer {
  const length = Buffer.byteLength(text);
  return {
    head: `HTTP/1.1 ${status}\r\ncontent-length: ${length}\r\ncontent-type: application/json\r\n${headers}\r\n${text}`,
  };
}

class Connection {
  readonly #socket: Socket;
  readonly #options: { readonly latencyMs: number; readonly respond: Respond };
  /** What arrived and is not understood yet. */
  #rest: Buffer = Buffer.alloc(0);
  #head: { readonly text: string; readonly lengthBytes: number } | null = null;
  #chunked: ChunkedBody | null = null;
  #kept: Buffer[] = [];
  #seenBytes = 0;
  #isAnswering = false;

  constructor(socket: Socket, options: { readonly latencyMs: number; readonly respond: Respond }) {
    this.#socket = socket;
    this.#options = options;
    socket.on('data', (chunk: Buffer) => this.#take(chunk));
    socket.on('error', () => socket.destroy());
  }

  #take(chunk: Buffer): void {
    if (this.#head !== null && this.#rest.length === 0) {
      this.#takeBody(chunk);
      return;
    }
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    this.#readHead();
  }

  #readHead(): void {
    if (this.#isAnswering) return;
    const end = this.#rest.indexOf(HEAD_END);
    if (end < 0) return;
    const text = this.#rest.toString('latin1', 0, end + 2);
    const length = /\r\ncontent-length: *(\d+)\r\n/i.exec(text)?.[1];
    this.#head = { text, lengthBytes: Number(length ?? '0') };
    if (/\r\ntransfer-encoding: *chunked\r\n/i.test(text)) this.#chunked = new ChunkedBody(this.#takeChunk);
    if (/\r\nexpect: *100-continue\r\n/i.test(text)) this.#socket.write('HTTP/1.1 100 Continue\r\n\r\n');
    const behind = this.#rest.subarray(end + 4);
    this.#rest = Buffer.alloc(0);
    this.#takeBody(behind);
  }

  #takeBody(chunk: Buffer): void {
    const head = this.#head;
    if (head === null) return;
    if (this.#chunked !== null) {
      const behind = this.#chunked.take(chunk);
      if (behind === null) return;
      this.#rest = behind;
      this.#answer(head.text, this.#seenBytes <= MAX_KEPT_BYTES, this.#seenBytes);
      return;
    }
    const isKept = head.lengthBytes <= MAX_KEPT_BYTES;
    const missing = head.lengthBytes - this.#seenBytes;
    const own = chunk.length <= missing ? chunk : chunk.subarray(0, missing);
    if (isKept && own.length > 0) this.#kept.push(own);
    this.#seenBytes += own.length;
    if (own.length < chunk.length) this.#rest = chunk.subarray(missing);
    if (this.#seenBytes === head.lengthBytes) this.#answer(head.text, isKept, head.lengthBytes);
  }

  readonly #takeChunk = (bytes: Buffer): void => {
    this.#seenBytes += bytes.length;
    if (this.#seenBytes <= MAX_KEPT_BYTES) this.#kept.push(bytes);
  };

  #answer(head: string, isKept: boolean, bodyBytes: number): void {
    const lineEnd = head.indexOf('\r\n');
    const [method = '', target = ''] = head.slice(0, lineEnd).split(' ');
    const only = this.#kept[0];
    const body = this.#kept.length === 1 && only !== undefined ? only : Buffer.concat(this.#kept);
    const lower = { text: null as string | null };
    const answer = this.#options.respond({
      method,
      target,
      header: (name) => {
        lower.text ??= head.toLowerCase();
        const at = lower.text.indexOf(`\r\n${name}:`);
        if (at < 0) return null;
        const from = at + name.length + 3;
        return head.slice(from, head.indexOf('\r\n', from)).trim();
      },
      body: isKept ? body : null,
      bodyBytes,
    });
    this.#kept = [];
    this.#seenBytes = 0;
    this.#head = null;
    this.#chunked = null;
    this.#isAnswering = true;
    const { latencyMs } = this.#options;
    if (latencyMs > 0) setTimeout(() => this.#send(answer), latencyMs);
    else this.#send(answer);
  }

  #send(answer: RawAnswer): void {
    if (answer.body === undefined) this.#socket.write(answer.head);
    else {
      this.#socket.cork();
      this.#socket.write(answer.head);
      this.#sendBody(answer.body.block, answer.body.totalBytes);
      this.#socket.uncork();
      if (answer.body.totalBytes > answer.body.block.length) return;
    }
    this.#done();
  }

  /** Blocks of a large body follow each other as fast as the reader takes them. */
  #sendBody(block: Buffer, leftBytes: number): void {
    let left = leftBytes;
    while (left > 0) {
      const part = left >= block.length ? block : block.subarray(0, left);
      left -= part.length;
      const goesOn = this.#socket.write(part);
      if (left > 0 && !goesOn) {
        this.#socket.once('drain', () => {
          this.#sendBody(block, left);
        });
        return;
      }
    }
    if (leftBytes > 0 && left === 0 && this.#isAnswering) this.#done();
  }

  #done(): void {
    if (!this.#isAnswering) return;
    this.#isAnswering = false;
    if (this.#rest.length > 0) this.#readHead();
  }
}
