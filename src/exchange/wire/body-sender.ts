// Sends the body of a request piece by piece: the next piece is asked for when the former has left, so that its owner
// may write over it. Exactly as many bytes as were announced.
import type { Socket } from 'node:net';
import type { ExchangeRequest } from '../connections.ts';

export interface SenderEvents {
  /** The other side has taken a piece. */
  moved(): void;
  /** The body itself failed, or has not the length that was announced. */
  failed(error: Error): void;
}

export class BodySender {
  readonly #socket: Socket;
  readonly #body: NonNullable<ExchangeRequest['body']>;
  readonly #lengthBytes: number;
  readonly #events: SenderEvents;
  #sentBytes = 0;
  #isStopped = false;

  constructor(
    socket: Socket,
    body: NonNullable<ExchangeRequest['body']>,
    lengthBytes: number,
    events: SenderEvents,
  ) {
    this.#socket = socket;
    this.#body = body;
    this.#lengthBytes = lengthBytes;
    this.#events = events;
  }

  /** True once every byte has left. */
  get isSent(): boolean {
    return this.#sentBytes === this.#lengthBytes;
  }

  /** Nobody wants the rest. Nothing is told after this. */
  stop(): void {
    this.#isStopped = true;
  }

  /** Resolves when all is over, however it ended. */
  async run(): Promise<void> {
    try {
      const body = this.#body;
      for await (const piece of body instanceof Uint8Array ? [body] : body) {
        if (this.#isStopped) return;
        if (this.#sentBytes + piece.length > this.#lengthBytes)
          throw this.#wrongLength('has more bytes than');
        if (piece.length === 0) continue;
        if (!(await this.#write(piece))) return;
        this.#sentBytes += piece.length;
        if (this.#isStopped) return;
        this.#events.moved();
      }
      if (!this.isSent) throw this.#wrongLength('ended before');
    } catch (error) {
      if (this.#isStopped) return;
      this.#events.failed(error instanceof Error ? error : new Error(String(error)));
    }
  }

  /** No InvalidRequest: bytes have left. */
  #wrongLength(why: string): Error {
    return new Error(`The body ${why} the ${this.#lengthBytes} that were announced`);
  }

  /** False where the connection broke: that is told by the socket itself. */
  #write(piece: Uint8Array): Promise<boolean> {
    return new Promise((resolve) => {
      this.#socket.write(piece, (error) => resolve(error === undefined || error === null));
    });
  }
}
