// The port of one HTTP/1.1 client: requests go out, answers come back as a head and a body of pieces. Two drivers stand
// behind it, one over undici and one of our own; test/contract says what both keep to.
import type { Limit } from './limit.ts';

export interface ExchangeRequest {
  /** `http(s)://host:port`. */
  readonly origin: string;
  /** Path and query, encoded; sent as they are. */
  readonly path: string;
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Names in lower case. A body in pieces needs a `content-length`. */
  readonly headers: Readonly<Record<string, string>>;
  /**
   * Pieces are asked for one after the other: a piece may be written over once the next one is asked for. Bytes in one
   * array stay as they are until the exchange is over.
   */
  readonly body: Uint8Array | Iterable<Uint8Array> | AsyncIterable<Uint8Array> | null;
}

/**
 * The body of an answer. It is read once, to its end, or dropped: it holds a connection. A piece is valid until the next
 * one is asked for; whoever keeps it longer copies it.
 */
export interface AnswerBody extends AsyncIterableIterator<Uint8Array, undefined> {
  /** The next piece. Rejects with what broke the body, or with the limit's reason. */
  next(): Promise<IteratorResult<Uint8Array, undefined>>;
  /** Ends a loop over it early: the connection is given up. */
  return(): Promise<IteratorResult<Uint8Array, undefined>>;
  /** Nobody wants the rest: up to `limitBytes` of it are read away, more costs the connection. */
  drop(limitBytes: number): void;
}

export interface ExchangeAnswer {
  readonly status: number;
  /** Lower-case names; bytes beyond ASCII as Latin-1; a repeated header as an array. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** Read to its end, or dropped, by whoever asked. */
  readonly body: AnswerBody;
}

/** All times in milliseconds. */
export interface ConnectionsOptions {
  /** Most open connections to one origin; further requests wait in their order. */
  readonly connections: number;
  /** TCP and TLS together. */
  readonly connectTimeoutMs: number;
  /** From the request to the head of its answer. While a body is sent: between two pieces that the other side takes. */
  readonly headersTimeoutMs: number;
  /** Between two pieces of the body of an answer; the time that a slow reader takes does not count. */
  readonly bodyIdleTimeoutMs: number;
  /** An idle connection is closed after this; sooner where the other side says that it closes sooner. */
  readonly keepAliveMs: number;
}

export interface Connections {
  /**
   * Sends a request once. Resolves with the head of the final answer. Rejects with the limit's reason when that comes
   * first, NothingSent where no connection could be made, InvalidRequest for a request that cannot stand on the wire,
   * the error of the body of the request, and otherwise with the error of the connection (mostly ExchangeError): then
   * nobody knows what the other side did. A body that is read later ends by the same reasons.
   */
  exchange(request: ExchangeRequest, limit: Limit): Promise<ExchangeAnswer>;
  /** Ends every connection, also those in use. */
  close(): Promise<void>;
}

/** Which driver: `own` or `undici`. */
export type HttpDriver = 'own' | 'undici';
export type HttpClient = HttpDriver | HttpProxies;

/** Proxies to go through, by undici: addresses with a user and a password where they want them; empty for none. */
export interface HttpProxies {
  readonly forHttp: string;
  /** Where it is empty `forHttp` takes its place. */
  readonly forHttps: string;
  /** Hosts to go to directly, as NO_PROXY lists them. */
  readonly except: string;
}
