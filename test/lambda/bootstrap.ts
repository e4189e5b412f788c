// A runtime of our own, as small as one can be: it loads the handler that `_HANDLER` names below `LAMBDA_TASK_ROOT`,
// and carries events from the Runtime API to it and its answers back. It stands in for AWS's own runtime client, which
// has to be compiled; `npm run test:interop` runs the same tests under that one.
import { once } from 'node:events';
import { type IncomingHttpHeaders, type IncomingMessage, request } from 'node:http';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { pathToFileURL } from 'node:url';

interface LambdaContext {
  readonly awsRequestId: string;
  readonly invokedFunctionArn: string;
  getRemainingTimeInMillis(): number;
}
type Handler = (event: unknown, context: LambdaContext) => Promise<unknown>;

const runtimeApi = `http://${process.env['AWS_LAMBDA_RUNTIME_API']}/2018-06-01/runtime`;

function describe(error: unknown): string {
  const { name, message, stack } = error instanceof Error ? error : new Error(String(error));
  return JSON.stringify({ errorType: name, errorMessage: message, stackTrace: (stack ?? '').split('\n') });
}

async function call(method: string, path: string, body = ''): Promise<[IncomingHttpHeaders, string]> {
  const sent = request(`${runtimeApi}${path}`, { method }).end(body);
  const [answer] = (await once(sent, 'response')) as [IncomingMessage];
  return [answer.headers, await text(answer)];
}

async function loadHandler(): Promise<Handler> {
  const [file = '', name = ''] = (process.env['_HANDLER'] ?? '').split('.');
  const path = join(process.env['LAMBDA_TASK_ROOT'] ?? '', `${file}.mjs`);
  const loaded = (await import(pathToFileURL(path).href)) as Record<string, Handler>;
  const handler = loaded[name];
  if (handler === undefined) throw new Error(`${path} exports no ${name}`);
  return handler;
}

async function runOne(handler: Handler): Promise<void> {
  const [headers, event] = await call('GET', '/invocation/next');
  const requestId = String(headers['lambda-runtime-aws-request-id']);
  const deadlineMs = Number(headers['lambda-runtime-deadline-ms']);
  const context: LambdaContext = {
    awsRequestId: requestId,
    invokedFunctionArn: String(headers['lambda-runtime-invoked-function-arn']),
    getRemainingTimeInMillis: () => deadlineMs - Date.now(),
  };
  try {
    const answer = await handler(JSON.parse(event), context);
    await call('POST', `/invocation/${requestId}/response`, JSON.stringify(answer ?? null));
  } catch (error) {
    await call('POST', `/invocation/${requestId}/error`, describe(error));
  }
}

try {
  const handler = await loadHandler();
  for (;;) await runOne(handler);
} catch (error) {
  process.exitCode = 1;
  // Where the other side is gone nobody is left to be told.
  await call('POST', '/init/error', describe(error)).catch(() => {});
}
