// One connection: it is made, carries one exchange after the other, waits in between, and ends. A connection on which
// anything was not as it should be carries no further exchange.
import type { Socket } from 'node:net';
import type { AnswerBody, ConnectionsOptions } from '../connections.ts';
import { ExchangeError } from '../exchange-error.ts';
import type { AnswerHead } from './answer-head.ts';
import { AnswerReader } from './answer-reader.ts';
import { BodySender } from './body-sender.ts';
import { Deadline } from './deadline.ts';
import { openSocket, type Origin, type TlsMemory } from './open-socket.ts';
import type { SlabFlow } from './slab-body.ts';
import type { SlabPool } from './slab-pool.ts';
import type { WireExchange } from './wire-exchange.ts';

export interface ConnectionParts {
  readonly origin: Origin;
  readonly tls: TlsMemory;
  readonly slabs: SlabPool;
  readonly options: ConnectionsOptions;
}

/** What a connection tells its pool. */
export interface ConnectionEvents {
  /** It can carry an exchange: it was made, or is through with one. */
  free(connection: WireConnection): void;
  /** It is no more. `error`: why it could not be made; null where it was made once. */
  ended(connection: WireConnection, error: Error | null): void;
}

/** A body up to this leaves in one write with the head. */
const JOIN_BYTES = 64 * 1024;
/** So long the other side may take to close a connection whose request broke off. */
const LINGER_MS = 1_000;
/** The other side closes when it says so; what is sent must arrive before. */
const KEEP_ALIVE_MARGIN_MS = 2_000;

export class WireConnection {
  readonly #options: ConnectionsOptions;
  readonly #events: ConnectionEvents;
  readonly #reader: AnswerReader;
  readonly #socket: Socket;
  readonly #deadline = new Deadline(() => this.#late());
  #state: 'connecting' | 'free' | 'busy' | 'ended' = 'connecting';
  #exchange: WireExchange | null = null;
  #sender: BodySender | null = null;
  #hasAnswer = false;
  #isReusable = true;
  #keepAliveMs: number;
  #isPaused = false;
  /** Not null: the body of the request has failed by this, and the other side is given time to take what came of it. */
  #failure: Error | null = null;

  constructor(parts: ConnectionParts, events: ConnectionEvents) {
    const { options } = parts;
    this.#options = options;
    this.#events = events;
    this.#keepAliveMs = options.keepAliveMs;
    this.#reader = new AnswerReader(parts.slabs, {
      answered: (head, body) => this.#answered(head, body),
      ended: (isClean) => this.#answerEnded(isClean),
    });
    this.#deadline.arm(options.connectTimeoutMs);
    this.#socket = openSocket(
      parts.origin,
      parts.tls,
      { space: () => this.#reader.space(), landed: (bytes) => this.#landed(bytes) },
      () => this.#connected(),
    );
    this.#socket.on('error', (error) => this.end(error));
    this.#socket.on('end', () => this.#inputEnded());
    this.#socket.on('close', () =>
      this.end(new ExchangeError('HTTP_CONNECTION_ENDED', 'The connection ended')),
    );
  }

  /**
   * False once it has ended or was idle for too long, also where that was not told yet: after the process stood still,
   * timers and the ends of connections come later than what wants to use them.
   */
  get isUsable(): boolean {
    const { writable, readable } = this.#socket;
    return this.#state === 'free' && writable && readable && !this.#deadline.isPast;
  }

  /** Carries an exchange; the connection must be free. */
  carry(exchange: WireExchange): void {
    const { request, head } = exchange;
    this.#state = 'busy';
    this.#exchange = exchange;
    this.#hasAnswer = false;
    this.#isReusable = true;
    this.#keepAliveMs = this.#options.keepAliveMs;
    this.#socket.ref();
    exchange.watch(() => this.end(exchange.reason as Error, true));
    this.#reader.begin(request.method, new ExchangeFlow(this, exchange));
    this.#deadline.arm(this.#options.headersTimeoutMs);
    const { body } = request;
    if (body === null || (body instanceof Uint8Array && body.length <= JOIN_BYTES)) {
      this.#socket.write(joined(head.text, body));
      return;
    }
    this.#socket.write(head.text, 'latin1');
    const sender = new BodySender(this.#socket, body, head.lengthBytes, {
      moved: () => {
        if (this.#sender === sender && !this.#hasAnswer && this.#failure === null)
          this.#deadline.arm(this.#options.headersTimeoutMs);
      },
      failed: (error) => {
        if (this.#exchange === exchange) this.#sourceFailed(error);
      },
    });
    this.#sender = sender;
    void sender.run();
  }

  /**
   * Ends it, whatever it is doing; the exchange it carries fails by `error`. `isWanted`: by one of us, so that nobody
   * waits for what has come already.
   */
  end(error: Error, isWanted = false): void {
    if (this.#state === 'ended') return;
    const wasConnecting = this.#state === 'connecting';
    this.#state = 'ended';
    this.#deadline.end();
    this.#sender?.stop();
    this.#socket.destroy();
    const exchange = this.#exchange;
    this.#exchange = null;
    exchange?.fail(isWanted ? error : (this.#failure ?? error));
    this.#reader.fail(error, !isWanted);
    this.#events.ended(this, wasConnecting ? error : null);
  }

  /** For the body of the answer to `exchange`: holds the connection back, or lets it go on. */
  hold(exchange: WireExchange, isHeld: boolean): void {
    if (this.#exchange !== exchange || this.#isPaused === isHeld) return;
    this.#isPaused = isHeld;
    if (isHeld) {
      // The time that the reader takes is not the other side's.
      this.#deadline.disarm();
      this.#socket.pause();
    } else {
      this.#deadline.arm(this.#options.bodyIdleTimeoutMs);
      this.#socket.resume();
    }
  }

  /** For the body of the answer to `exchange`: it is not wanted any more. */
  giveUp(exchange: WireExchange, reason: Error): void {
    if (this.#exchange === exchange) this.end(reason, true);
  }

  /** The same for a large body, of which so much is still to come. */
  dropRest(exchange: WireExchange, missingBytes: number, limitBytes: number): void {
    if (this.#exchange !== exchange) return;
    if (missingBytes > limitBytes) this.end(new Error('Nobody wants the rest of the body'), true);
    else this.#reader.dropRest(missingBytes);
  }

  #connected(): void {
    if (this.#state !== 'connecting') return;
    this.#rest();
  }

  #landed(bytes: number): void {
    if (this.#state === 'ended') return;
    try {
      this.#reader.landed(bytes);
    } catch (error) {
      this.end(error as Error);
      return;
    }
    if (this.#hasAnswer && this.#state === 'busy' && !this.#isPaused)
      this.#deadline.arm(this.#options.bodyIdleTimeoutMs);
  }

  #answered(head: AnswerHead, body: AnswerBody): void {
    if (this.#failure !== null) {
      this.end(this.#failure);
      return;
    }
    const exchange = this.#exchange as WireExchange;
    this.#hasAnswer = true;
    this.#isReusable = head.isReusable;
    if (head.keepAliveMs !== null)
      this.#keepAliveMs = Math.min(this.#keepAliveMs, head.keepAliveMs - KEEP_ALIVE_MARGIN_MS);
    // An answer that does not wait for the body is the answer; the rest would be taken for the next request.
    if (this.#sender !== null && !this.#sender.isSent) {
      this.#sender.stop();
      this.#isReusable = false;
    }
    exchange.answer({ status: head.status, headers: head.headers, body });
  }

  #answerEnded(isClean: boolean): void {
    // Whoever dropped the body may have given the connection up with its last bytes.
    if (this.#state === 'ended') return;
    this.#exchange?.end();
    this.#exchange = null;
    this.#sender?.stop();
    this.#sender = null;
    if (!isClean || !this.#isReusable || this.#keepAliveMs <= 0) {
      this.end(new ExchangeError('HTTP_CONNECTION_ENDED', 'The connection is not used again'));
      return;
    }
    if (this.#isPaused) {
      this.#isPaused = false;
      this.#socket.resume();
    }
    this.#rest();
  }

  #rest(): void {
    this.#state = 'free';
    this.#deadline.arm(this.#keepAliveMs);
    this.#socket.unref();
    this.#events.free(this);
  }

  /**
   * Nothing more of the body comes. The other side hears that by the end of the connection and closes its own when it
   * has taken what was sent: who asks it then how far it came gets the whole answer.
   */
  #sourceFailed(error: Error): void {
    this.#failure = error;
    this.#sender?.stop();
    this.#isReusable = false;
    this.#deadline.arm(LINGER_MS);
    this.#socket.end();
  }

  #inputEnded(): void {
    if (this.#state === 'ended' || this.#reader.endOfInput()) return;
    this.end(new ExchangeError('HTTP_CONNECTION_ENDED', 'The other side closed the connection'));
  }

  #late(): void {
    const { connectTimeoutMs, headersTimeoutMs, bodyIdleTimeoutMs } = this.#options;
    if (this.#state === 'connecting')
      this.end(new ExchangeError('HTTP_CONNECT_TIMEOUT', `No connection within ${connectTimeoutMs} ms`));
    else if (this.#state === 'free')
      this.end(new ExchangeError('HTTP_CONNECTION_ENDED', 'The connection was idle'));
    else if (this.#hasAnswer)
      this.end(
        new ExchangeError(
          'HTTP_BODY_TIMEOUT',
          `Nothing more of the body came within ${bodyIdleTimeoutMs} ms`,
        ),
      );
    else this.end(new ExchangeError('HTTP_HEADERS_TIMEOUT', `No answer came within ${headersTimeoutMs} ms`));
  }
}

/** Ties a body to the exchange it belongs to: once that is over, the connection is another's. */
class ExchangeFlow implements SlabFlow {
  readonly #connection: WireConnection;
  readonly #exchange: WireExchange;

  constructor(connection: WireConnection, exchange: WireExchange) {
    this.#connection = connection;
    this.#exchange = exchange;
  }

  pause(): void {
    this.#connection.hold(this.#exchange, true);
  }

  resume(): void {
    this.#connection.hold(this.#exchange, false);
  }

  abort(reason: Error): void {
    this.#connection.giveUp(this.#exchange, reason);
  }

  dropped(missingBytes: number, limitBytes: number): void {
    this.#connection.dropRest(this.#exchange, missingBytes, limitBytes);
  }
}

function joined(head: string, body: Uint8Array | null): Buffer {
  const whole = Buffer.allocUnsafe(head.length + (body === null ? 0 : body.length));
  whole.write(head, 'latin1');
  if (body !== null) whole.set(body, head.length);
  return whole;
}
