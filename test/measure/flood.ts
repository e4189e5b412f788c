// One thread that floods the intake: many connections, each sending the next document as soon as the last is answered.
// Started by intake.ts; tells at its end what it was answered and when.
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { parentPort, workerData } from 'node:worker_threads';
import { documentOf } from './documents.ts';

/** What the thread is started with. */
export interface FloodOrder {
  readonly port: number;
  readonly apiKey: string;
  readonly connections: number;
  /** False: each document comes over a connection of its own. */
  readonly keepsConnections: boolean;
  readonly changesPerDocument: number;
  readonly seconds: number;
  /** Before that: connections are opened one after the other, and nothing is counted. */
  readonly warmUpSeconds: number;
  readonly maxDocuments: number;
}

/** What it tells at its end: how often each status came, and how long each answer took. */
export interface FloodReport {
  readonly statuses: Readonly<Record<string, number>>;
  readonly answerMs: Float64Array;
}

const order = workerData as FloodOrder;
const answerMs: number[] = [];
const statuses: Record<string, number> = {};
const countsFromMs = performance.now() + order.warmUpSeconds * 1000;
const endsAtMs = countsFromMs + order.seconds * 1000;
const sentAtMs = new WeakMap<Socket, number>();
let sentCount = 0;

const pauseMs = (order.warmUpSeconds * 1000) / 2 / order.connections;
await Promise.all(
  Array.from({ length: order.connections }, async (_, index) => {
    await sleep(index * pauseMs);
    await floodOver();
  }),
);
const report: FloodReport = { statuses, answerMs: Float64Array.from(answerMs) };
parentPort?.postMessage(report, [report.answerMs.buffer as ArrayBuffer]);

/** One connection; opened again where the service closed it. */
async function floodOver(): Promise<void> {
  while (mayGoOn()) {
    const startedAtMs = performance.now();
    const socket = connect(order.port, '127.0.0.1');
    socket.setNoDelay(true);
    socket.on('error', () => count('closed'));
    await new Promise<void>((resolve) => {
      socket.once('connect', () => sendNext(socket, startedAtMs));
      socket.once('close', resolve);
      readAnswers(socket);
    });
  }
}

function mayGoOn(): boolean {
  return performance.now() < endsAtMs && sentCount < order.maxDocuments;
}

/** The time of a new connection belongs to its first document. */
function sendNext(socket: Socket, startedAtMs = performance.now()): void {
  if (!mayGoOn()) {
    socket.end();
    return;
  }
  sentCount += 1;
  const body = documentOf('flood', sentCount, order.changesPerDocument);
  sentAtMs.set(socket, startedAtMs);
  socket.write(
    `POST /v1/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${order.apiKey}\r\n` +
      `Content-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n` +
      `Connection: ${order.keepsConnections ? 'keep-alive' : 'close'}\r\n\r\n${body}`,
  );
}

/** Answers come one at a time, each with its length. */
function readAnswers(socket: Socket): void {
  let text = '';
  socket.setEncoding('latin1');
  socket.on('data', (chunk: string) => {
    text += chunk;
    const headEnd = text.indexOf('\r\n\r\n');
    if (headEnd < 0) return;
    const bodyBytes = Number(/\r\ncontent-length: (\d+)/i.exec(text)?.[1] ?? 0);
    if (text.length < headEnd + 4 + bodyBytes) return;
    count(text.slice(9, 12));
    if (performance.now() > countsFromMs) answerMs.push(performance.now() - (sentAtMs.get(socket) ?? 0));
    text = text.slice(headEnd + 4 + bodyBytes);
    if (order.keepsConnections) sendNext(socket);
    else socket.end();
  });
}

function count(status: string): void {
  if (performance.now() < countsFromMs) return;
  statuses[status] = (statuses[status] ?? 0) + 1;
}
