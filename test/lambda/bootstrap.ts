// A runtime of our own, as small as one can be: it loads the handler that `_HANDLER` names below `LAMBDA_TASK_ROOT`,
// and carries events from the Runtime API to it and its answers back. It stands in for AWS's own runtime client, which
// has to be compiled; `npm run test:interop` runs the same tests under that one.
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

interface LambdaContext {
  readonly awsRequestId: string;
  readonly invokedFunctionArn: string;
  getRemainingTimeInMillis(): number;
}
type Handler = (event: unknown, context: LambdaContext) => Promise<unknown>;

const base = `http://${process.env['AWS_LAMBDA_RUNTIME_API']}/2018-06-01/runtime`;

function describe(error: unknown): string {
  const { name, message, stack } = error instanceof Error ? error : new Error(String(error));
  return JSON.stringify({ errorType: name, errorMessage: message, stackTrace: (stack ?? '').split('\n') });
}

async function post(path: string, body: string): Promise<void> {
  const answer = await fetch(`${base}${path}`, { method: 'POST', body });
  await answer.arrayBuffer();
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
  const next = await fetch(`${base}/invocation/next`);
  const requestId = next.headers.get('lambda-runtime-aws-request-id') ?? '';
  const deadlineMs = Number(next.headers.get('lambda-runtime-deadline-ms'));
  const context: LambdaContext = {
    awsRequestId: requestId,
    invokedFunctionArn: next.headers.get('lambda-runtime-invoked-function-arn') ?? '',
    getRemainingTimeInMillis: () => deadlineMs - Date.now(),
  };
  try {
    const answer = await handler(await next.json(), context);
    await post(`/invocation/${requestId}/response`, JSON.stringify(answer ?? null));
  } catch (error) {
    await post(`/invocation/${requestId}/error`, describe(error));
  }
}

try {
  const handler = await loadHandler();
  for (;;) await runOne(handler);
} catch (error) {
  await post('/init/error', describe(error)).catch(() => {});
  process.exitCode = 1;
}
