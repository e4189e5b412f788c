// Lets requests in as long as the gate has room, before anything of their bodies is read where their length is
// announced, and while it is read where it is not. Refused requests are told to come again; nothing of them is kept.
import type { Socket } from 'node:net';
import { Transform } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { CallerQuota } from '../replication/caller-quota.ts';
import type { IntakeGate, Refusal } from '../replication/intake-gate.ts';
import { ConnectionShares } from './connection-shares.ts';
import type { HttpApp, RouteDeps } from './http-deps.ts';
import { RequestProblem } from './problem.ts';

/** When a caller that was refused for the load should come again. */
export const RETRY_AFTER_SEC = 5;
/** Space on a disk returns more slowly than a burst ends. */
const DISK_RETRY_AFTER_SEC = 30;
const FREE_IDLE_MS = 1_000;

/** Adds the hooks. To be called after the guards: who is calling is asked first, which costs no memory. */
export function registerAdmission(app: HttpApp, { gate, limits }: Pick<RouteDeps, 'gate' | 'limits'>): void {
  app.decorateRequest('bodyHold', null);
  app.addHook('onRequest', async (request, reply) => admit(gate, request, reply));
  app.addHook('preParsing', async (request, _reply, payload) => {
    const { bodyHold } = request;
    if (bodyHold === null || request.headers['transfer-encoding'] === undefined) return payload;
    const counter = new Transform({
      transform(chunk: Buffer, _encoding, done) {
        const refusal = bodyHold.grow(chunk.length);
        if (refusal === null) done(null, chunk);
        else done(problemOf(refusal));
      },
    });
    payload.on('error', (error) => counter.destroy(error));
    return payload.pipe(counter);
  });
  shareConnections(app, gate, limits.connections);
}

function admit(gate: IntakeGate, request: FastifyRequest, reply: FastifyReply): void {
  const { config, bodyLimit } = request.routeOptions;
  if (config.answersUnderOverload === true) return;
  if (config.isIntake === true) refuseIf(gate.askHost());
  // A signed call, or a delivery of SNS: anybody may begin one.
  const isProved = request.bodyProof === null;
  const refusal = gate.enter(isProved);
  const hasBody =
    request.headers['content-length'] !== undefined || request.headers['transfer-encoding'] !== undefined;
  // A caller who is still sending would lose the answer with the connection: there the body is read and thrown away.
  if (refusal !== null && !hasBody) void reply.header('connection', 'close');
  refuseIf(refusal);
  const bodyHold = gate.openBody(isProved);
  reply.raw.once('close', () => {
    gate.leave(isProved);
    bodyHold.release();
  });
  request.bodyHold = bodyHold;
  const announced = Number(request.headers['content-length'] ?? 0);
  // What is larger than the path takes is refused for that, whatever the load.
  if (announced > 0 && (bodyLimit === undefined || announced <= bodyLimit))
    refuseIf(bodyHold.grow(announced));
}

/** Throws `rate_limited` where this caller has handed over as much as one caller may. */
export function refuseIfOverQuota(
  { quota, gate }: { readonly quota: CallerQuota; readonly gate: IntakeGate },
  callerId: string,
): void {
  const waitSec = quota.begin(callerId);
  if (waitSec === null) return;
  throw new RequestProblem('rate_limited', gate.callerOverQuota(callerId).detail, {
    headers: { 'retry-after': String(waitSec) },
  });
}

/** Throws the refusal as the answer: 503 with a time to come back. */
export function refuseIf(refusal: Refusal | null): void {
  if (refusal !== null) throw problemOf(refusal);
}

function problemOf({ reason, detail }: Refusal): RequestProblem {
  const isDisk = reason === 'disk_reserve';
  return new RequestProblem(isDisk ? 'disk_reserve' : 'overloaded', detail, {
    headers: { 'retry-after': String(isDisk ? DISK_RETRY_AFTER_SEC : RETRY_AFTER_SEC) },
  });
}

/** Where all connections are taken, those that only wait for a next request are closed for others. */
function shareConnections(app: HttpApp, gate: IntakeGate, limit: number | null): void {
  const shares = new ConnectionShares(limit ?? Number.POSITIVE_INFINITY);
  let freedMs = Number.NEGATIVE_INFINITY;
  app.server.prependListener('connection', (socket: Socket) => {
    const bound = shares.take(socket);
    if (bound === null) return;
    socket.destroy();
    gate.connectionDropped(
      `All connections that ${bound === 'all' ? 'may be' : 'one address may have'} open are open.`,
    );
    const nowMs = performance.now();
    if (bound !== 'all' || nowMs - freedMs < FREE_IDLE_MS) return;
    freedMs = nowMs;
    app.server.closeIdleConnections();
  });
}
