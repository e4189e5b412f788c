// The other side of a Lambda function: the Runtime API over HTTP, as the service runs it inside of an execution
// environment. It hands events out one after the other and takes what the runtime answers.
import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

/** How an invocation ended; `atMs` is a time of `performance.now()`. */
export type InvocationEnd = { readonly atMs: number; readonly leftMs: number } & (
  | { readonly kind: 'response'; readonly body: unknown }
  | {
      readonly kind: 'error';
      readonly errorType: string;
      readonly errorMessage: string;
      readonly raw: string;
    }
);

interface Invocation {
  readonly id: string;
  readonly event: unknown;
  readonly timeoutMs: number;
  readonly end: (end: InvocationEnd) => void;
  deadlineMs: number;
}

export interface RuntimeApi {
  /** Value of AWS_LAMBDA_RUNTIME_API. */
  readonly address: string;
  /** Resolves, with the time, when the runtime asks for its first event: the function has started. */
  readonly started: Promise<number>;
  /** Rejects with what the runtime told of a start that failed; never resolves. */
  readonly failedStart: Promise<never>;
  /** Hands an event to the function, which has `timeoutMs` from the moment it takes it. */
  invoke(
    event: unknown,
    options?: { readonly timeoutMs?: number; readonly id?: string },
  ): Promise<InvocationEnd>;
  close(): Promise<void>;
}

const PREFIX = '/2018-06-01/runtime';

/** Starts a Runtime API on a free port of this machine. */
export async function startRuntimeApi(): Promise<RuntimeApi> {
  const waiting: Invocation[] = [];
  const running = new Map<string, Invocation>();
  const asking: ServerResponse[] = [];
  const started = Promise.withResolvers<number>();
  const failedStart = Promise.withResolvers<never>();
  failedStart.promise.catch(() => {});

  const handOut = (): void => {
    while (waiting.length > 0 && asking.length > 0) {
      const invocation = waiting.shift() as Invocation;
      const res = asking.shift() as ServerResponse;
      invocation.deadlineMs = Date.now() + invocation.timeoutMs;
      running.set(invocation.id, invocation);
      res.writeHead(200, {
        'content-type': 'application/json',
        'lambda-runtime-aws-request-id': invocation.id,
        'lambda-runtime-deadline-ms': String(invocation.deadlineMs),
        'lambda-runtime-invoked-function-arn': 'arn:aws:lambda:eu-central-1:111122223333:function:under-test',
        'lambda-runtime-trace-id': 'Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Sampled=0',
      });
      res.end(JSON.stringify(invocation.event));
    }
  };
  const end = (id: string, answer: object): void => {
    const invocation = running.get(id);
    if (invocation === undefined) throw new Error(`An answer to the unknown invocation ${id}`);
    running.delete(id);
    const times = { atMs: performance.now(), leftMs: invocation.deadlineMs - Date.now() };
    invocation.end({ ...times, ...answer } as InvocationEnd);
  };
  const answer = async (req: IncomingMessage, res: ServerResponse): Promise<void> => {
    const path = (req.url ?? '').slice(PREFIX.length);
    if (path === '/invocation/next') {
      started.resolve(performance.now());
      asking.push(res);
      handOut();
      return;
    }
    const body = await text(req);
    const [, kind = '', id = '', what = ''] = path.split('/');
    if (kind === 'init') failedStart.reject(new Error(`The function did not start: ${body}`));
    else if (what === 'response') end(id, { kind: 'response', body: JSON.parse(body) as unknown });
    else end(id, { kind: 'error', raw: body, ...(JSON.parse(body) as object) });
    res.writeHead(202, { 'content-type': 'application/json' }).end('{"status":"OK"}');
  };
  const server = createServer((req, res) => void answer(req, res));
  // A runtime waits for its next event as long as there is none.
  server.requestTimeout = 0;
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    started: started.promise,
    failedStart: failedStart.promise,
    async invoke(event, { timeoutMs = 30_000, id = randomUUID() } = {}) {
      return new Promise((resolve) => {
        waiting.push({ id, event, timeoutMs, end: resolve, deadlineMs: 0 });
        handOut();
      });
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => {
        server.close(resolve);
      });
    },
  };
}
