// How both sandbox stores send an answer: as it is, or as the script wants it: cut, stalled, slow, corrupted, edited.
import type { ServerResponse } from 'node:http';
import type { RequestStage } from './request-stages.ts';
import type { FaultEffect } from './scripted-faults.ts';

export interface SandboxAnswer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string | number>>;
  readonly body?: Uint8Array | string | AsyncIterable<Uint8Array>;
}

/** The way of one answer: what is done to it, and who is told how far it came. */
export interface AnswerWay {
  readonly res: ServerResponse;
  readonly effect: FaultEffect | null;
  /** Null where nobody watches. */
  readonly tell: ((stage: RequestStage, bytes?: number) => Promise<void>) | null;
}

/** Sends what the store answers, changed by the effect where there is one. */
export async function sendAnswer(way: AnswerWay, answer: SandboxAnswer): Promise<void> {
  const { res, effect } = way;
  if (effect?.kind === 'lose_answer') {
    res.destroy();
    return;
  }
  if (effect?.kind === 'replace_answer') {
    send(res, { status: effect.status, body: effect.body ?? '' });
    return;
  }
  const { body = '' } = answer;
  if (effect?.kind === 'edit_answer') {
    await sendEdited(res, answer, effect);
    return;
  }
  const touched =
    effect?.kind === 'cut_response' ||
    effect?.kind === 'stall_response' ||
    effect?.kind === 'trickle_response' ||
    effect?.kind === 'corrupt_response';
  if (!isStreamed(body)) {
    if (touched) await sendStream(way, withLength(answer, toBytes(body)), once(toBytes(body)));
    else send(res, { ...answer, body });
    return;
  }
  await sendStream(way, answer, body);
}

/** What is sent is what the edit returns: a missing length stays missing, and one that is wrong stays wrong. */
async function sendEdited(
  res: ServerResponse,
  answer: SandboxAnswer,
  effect: Extract<FaultEffect, { kind: 'edit_answer' }>,
): Promise<void> {
  const { status, headers = {}, body = '' } = answer;
  const whole = await collect(body);
  const edited = effect.edit({
    status,
    headers: { 'content-length': whole.length, ...headers },
    body: whole,
  });
  if (!('content-length' in edited.headers)) {
    // Without a length the end of the connection is the end of the body.
    res.useChunkedEncodingByDefault = false;
    res.shouldKeepAlive = false;
  }
  res.writeHead(edited.status, { ...edited.headers });
  res.end(edited.body);
}

async function collect(body: Uint8Array | string | AsyncIterable<Uint8Array>): Promise<Buffer> {
  if (!isStreamed(body)) return Buffer.from(toBytes(body));
  const chunks: Uint8Array[] = [];
  for await (const chunk of body) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
}

/** One byte after the other until the client has had enough. */
async function trickle(res: ServerResponse, bytes: Uint8Array, bytesPerSec: number): Promise<void> {
  for (const byte of bytes) {
    if (res.destroyed) return;
    res.write(Uint8Array.of(byte));
    await new Promise<void>((resolve) => {
      const timer = setTimeout(settle, 1000 / bytesPerSec);
      function settle(): void {
        clearTimeout(timer);
        res.off('close', settle);
        resolve();
      }
      res.on('close', settle);
    });
  }
}

async function sendStream(
  { res, effect, tell }: AnswerWay,
  answer: SandboxAnswer,
  body: AsyncIterable<Uint8Array>,
): Promise<void> {
  res.writeHead(answer.status, { ...answer.headers });
  let sentBytes = 0;
  for await (const chunk of body) {
    if (res.destroyed) return;
    const step = shapeChunk(chunk, sentBytes, effect);
    sentBytes += chunk.length;
    if (step.after === 'cut') {
      // Let what was written leave the process first, so that the cut is exactly where the script says.
      await flushed(res, step.bytes);
      res.destroy();
      return;
    }
    if (!res.write(step.bytes)) await drainedOrClosed(res);
    await tell?.('sending', sentBytes);
    if (step.after === 'trickle' && effect?.kind === 'trickle_response') {
      await trickle(res, chunk.subarray(step.bytes.length), effect.bytesPerSec);
      return;
    }
    if (step.after === 'stall') {
      if (!res.destroyed) await new Promise<void>((resolve) => res.once('close', resolve));
      return;
    }
  }
  res.end();
}

function withLength(answer: SandboxAnswer, bytes: Uint8Array): SandboxAnswer {
  return { ...answer, headers: { 'content-length': bytes.length, ...answer.headers } };
}

function isStreamed(
  body: Uint8Array | string | AsyncIterable<Uint8Array>,
): body is AsyncIterable<Uint8Array> {
  return typeof body !== 'string' && !(body instanceof Uint8Array);
}

async function drainedOrClosed(res: ServerResponse): Promise<void> {
  if (res.destroyed) return;
  await new Promise<void>((resolve) => {
    const settle = (): void => {
      res.off('drain', settle);
      res.off('close', settle);
      resolve();
    };
    res.on('drain', settle);
    res.on('close', settle);
  });
}

async function flushed(res: ServerResponse, bytes: Uint8Array): Promise<void> {
  if (bytes.length === 0) {
    res.flushHeaders();
    await new Promise<void>((resolve) => setImmediate(resolve));
    return;
  }
  await new Promise<void>((resolve) => {
    res.once('close', resolve);
    res.write(bytes, () => resolve());
  });
}

const AFTER = { cut_response: 'cut', stall_response: 'stall', trickle_response: 'trickle' } as const;

function shapeChunk(
  chunk: Uint8Array,
  sent: number,
  effect: FaultEffect | null,
): { bytes: Uint8Array; after: 'go on' | 'cut' | 'stall' | 'trickle' } {
  if (effect?.kind === 'corrupt_response' && effect.atByte >= sent && effect.atByte < sent + chunk.length) {
    const bytes = Buffer.from(chunk);
    bytes.writeUInt8(bytes.readUInt8(effect.atByte - sent) ^ 1, effect.atByte - sent);
    return { bytes, after: 'go on' };
  }
  if (
    (effect?.kind === 'cut_response' ||
      effect?.kind === 'stall_response' ||
      effect?.kind === 'trickle_response') &&
    sent + chunk.length >= effect.afterBytes
  ) {
    const bytes = chunk.subarray(0, effect.afterBytes - sent);
    return { bytes, after: AFTER[effect.kind] };
  }
  return { bytes: chunk, after: 'go on' };
}

/** Sends a whole answer with its length. */
export function send(
  res: ServerResponse,
  answer: Omit<SandboxAnswer, 'body'> & { readonly body: Uint8Array | string },
): void {
  const bytes = toBytes(answer.body);
  const lengthless = answer.status === 204 || answer.status === 304;
  res.writeHead(answer.status, {
    ...(lengthless ? {} : { 'content-length': bytes.length }),
    ...answer.headers,
  });
  res.end(bytes);
}

function toBytes(body: Uint8Array | string): Uint8Array {
  return typeof body === 'string' ? Buffer.from(body) : body;
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
