// The HTTP shell of both sandbox stores: raw paths (never normalised), bodies as async iterables, scripted faults.
// A store sees a SandboxRequest and returns a SandboxAnswer; sockets and what scripts do to requests are this file's business.
import assert from 'node:assert/strict';
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import { type AnswerWay, type SandboxAnswer, send, sendAnswer } from './http-answer.ts';
import { ClientGone, RequestStages, type RequestStage, type RequestWatcher } from './request-stages.ts';
import { FaultScript } from './scripted-faults.ts';

export interface SandboxRequest {
  readonly method: string;
  /** Exactly as sent, percent-encoding and all. */
  readonly rawPath: string;
  /** Without the question mark; empty when there is none. */
  readonly rawQuery: string;
  readonly headers: IncomingHttpHeaders;
  /** Throws when the client goes away before the end. */
  readonly body: AsyncIterable<Uint8Array>;
  /** Aborted once the connection is of no use any more; for handlers that wait before they answer. */
  readonly gone: AbortSignal;
}

export type SandboxHandler = (request: SandboxRequest) => Promise<SandboxAnswer>;

export interface SandboxServer {
  /** `http://127.0.0.1:PORT`, no slash at the end. */
  readonly url: string;
  readonly faults: FaultScript;
  /** The newest 10,000 requests in order of arrival: `METHOD rawUrl`. For counting calls in tests. */
  readonly requests: readonly string[];
  /** How many requests were ever seen, those no longer listed included. */
  readonly requestCount: number;
  /** Tells `watcher` of every request, stage by stage, and lets it hold or cut them; returns how to end that. */
  watch(watcher: RequestWatcher): () => void;
  close(): Promise<void>;
}

/** One exchange as its parts see it. */
interface Exchange extends AnswerWay {
  readonly req: IncomingMessage;
}

/** A long run must not grow without bound. */
const listedRequestLimit = 10_000;

/** Starts a server on loopback; port 0 picks a free one. */
export async function startSandboxServer(handler: SandboxHandler, port = 0): Promise<SandboxServer> {
  const faults = new FaultScript();
  const stages = new RequestStages();
  const requests: string[] = [];
  let requestCount = 0;
  const closing = new AbortController();
  const server = createServer(
    { keepAliveTimeout: 65_000, requestTimeout: 0, headersTimeout: 60_000 },
    (req, res) => {
      requestCount += 1;
      requests.push(`${req.method} ${req.url}`);
      if (requests.length > listedRequestLimit) requests.shift();
      void serve({ handler, faults, stages, closing: closing.signal }, req, res);
    },
  );
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  const address = server.address();
  assert.ok(address !== null && typeof address === 'object', 'A listening TCP server has an address');
  return {
    url: `http://127.0.0.1:${address.port}`,
    faults,
    requests,
    get requestCount() {
      return requestCount;
    },
    watch: (watcher) => stages.watch(watcher),
    close: async () => {
      closing.abort();
      await closeServer(server);
    },
  };
}

/** A server with more to it: a service. What `more` has wins, and getters stay getters. */
export function withMore<S extends SandboxServer>(
  server: SandboxServer,
  more: Omit<S, keyof SandboxServer> & Partial<SandboxServer>,
): S {
  return Object.defineProperties({} as S, {
    ...Object.getOwnPropertyDescriptors(server),
    ...Object.getOwnPropertyDescriptors(more),
  });
}

async function closeServer(server: Server): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeAllConnections();
  await closed;
}

interface Service {
  readonly handler: SandboxHandler;
  readonly faults: FaultScript;
  readonly stages: RequestStages;
  readonly closing: AbortSignal;
}

async function serve(server: Service, req: IncomingMessage, res: ServerResponse): Promise<void> {
  const rawUrl = req.url ?? '/';
  const method = req.method ?? 'GET';
  const { headers } = req;
  const effect = server.faults.take({ method, rawUrl, headers });
  const tell = server.stages.isWatched
    ? (stage: RequestStage, bytes = 0): Promise<void> =>
        server.stages.tell({ stage, method, rawUrl, headers, bytes })
    : null;
  const exchange: Exchange = { req, res, effect, tell };
  req.on('error', () => {});
  res.on('error', () => {});
  if (tell !== null) res.once('finish', () => void tell('answered'));
  if (effect?.kind === 'latency') await waitUnlessClosing(effect.ms, server.closing);
  if (effect?.kind === 'meanwhile') await effect.run();
  if (effect?.kind === 'status') {
    await drain(req);
    send(res, { status: effect.status, headers: effect.headers ?? {}, body: effect.body ?? '' });
    return;
  }
  const question = rawUrl.indexOf('?');
  const request: SandboxRequest = {
    method,
    rawPath: question < 0 ? rawUrl : rawUrl.slice(0, question),
    rawQuery: question < 0 ? '' : rawUrl.slice(question + 1),
    headers,
    body: readBody(exchange),
    get gone() {
      return whenClosed(res);
    },
  };
  try {
    await tell?.('arrived');
    const answer = await server.handler(request);
    await tell?.('done');
    await drain(req);
    await sendAnswer(exchange, answer);
  } catch (error) {
    if (error instanceof ClientGone) {
      res.destroy();
      return;
    }
    if (res.headersSent) res.destroy();
    else
      send(res, {
        status: 500,
        body: `Sandbox error: ${error instanceof Error ? error.stack : String(error)}`,
      });
  }
}

async function* readBody({ req, effect, tell }: Exchange): AsyncGenerator<Uint8Array> {
  const announcedBytes = Number(req.headers['content-length'] ?? Number.NaN);
  let seen = 0;
  try {
    // A store that answers before it read everything must not lose the connection it answers on.
    const chunks: AsyncIterable<Buffer> = req.iterator({ destroyOnReturn: false });
    for await (const chunk of chunks) {
      let bytes = chunk;
      if (
        effect?.kind === 'corrupt_request' &&
        effect.atByte >= seen &&
        effect.atByte < seen + bytes.length
      ) {
        bytes = Buffer.from(bytes);
        bytes.writeUInt8(bytes.readUInt8(effect.atByte - seen) ^ 1, effect.atByte - seen);
      }
      const limited = effect?.kind === 'cut_request' || effect?.kind === 'stall_request' ? effect : null;
      if (limited !== null && seen + bytes.length >= limited.afterBytes) {
        yield bytes.subarray(0, limited.afterBytes - seen);
        if (limited.kind === 'stall_request')
          await new Promise<void>((resolve) => req.once('close', resolve));
        throw new ClientGone('The connection was cut by the fault script');
      }
      seen += bytes.length;
      await tell?.('receiving', seen);
      yield bytes;
      // Everything is here: that the client goes away while the request is held changes nothing any more.
      if (seen === announcedBytes) return;
    }
  } catch (error) {
    if (error instanceof ClientGone) throw error;
    throw new ClientGone('The client went away in the middle of the body', { cause: error });
  } finally {
    if (effect?.kind === 'cut_request') req.destroy();
  }
}

function whenClosed(res: ServerResponse): AbortSignal {
  const closed = new AbortController();
  if (res.destroyed) closed.abort();
  else res.once('close', () => closed.abort());
  return closed.signal;
}

/** Unread request bytes would stop the next request on a kept-alive connection. */
async function drain(req: IncomingMessage): Promise<void> {
  if (req.destroyed || req.readableEnded) return;
  try {
    // Reading once more, not resume(): a stream whose earlier reader stopped half-way does not flow by itself.
    const rest: AsyncIterable<Buffer> = req.iterator({ destroyOnReturn: false });
    for await (const chunk of rest) void chunk;
  } catch {
    // The client went away: there is nothing left to read.
  }
}

/** Ends early when the server closes, so that a scripted delay never outlives its server. */
async function waitUnlessClosing(delayMs: number, closing: AbortSignal): Promise<void> {
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, delayMs);
    closing.addEventListener('abort', () => {
      clearTimeout(timer);
      resolve();
    });
  });
}

/** Collects a small body; for XML and JSON documents only. Throws when it is longer than `limitBytes`. */
export async function readWhole(body: AsyncIterable<Uint8Array>, limitBytes: number): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let total = 0;
  for await (const chunk of body) {
    total += chunk.length;
    if (total > limitBytes) throw new Error(`The request body is longer than ${limitBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
