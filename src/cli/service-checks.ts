// The doctor's looks at a running service: does it answer, does it take the key, and what may the key do. A handed
// over test event is all that is sent: the service knows and ignores it.
import { z } from 'zod';
import { type CheckResult, failed, ok, skipped, type Verdict, warning } from '../doctor/check-result.ts';
import type { ServiceStory } from '../doctor/whole-way.ts';
import type { ObjectLocation } from '../core/object.ts';
import type { CliDeps } from './cli-deps.ts';
import { CliFailure } from './exit-codes.ts';
import { type CallService, connectToService, LOOK, readAnswer } from './service-client.ts';

const TIMEOUT_MS = 10_000;
const NAME = 'service';
const LOOK_AT_LOG = 'Look at the log of the service.';

/** As S3 sends it to a queue when notifications are set up. */
const TEST_EVENT = { Service: 'Amazon S3', Event: 's3:TestEvent' };

/** `isNamed`: REPLICATOR_URL says where it is, so that there has to be one. */
export async function checkService(deps: CliDeps, isNamed: boolean): Promise<readonly CheckResult[]> {
  const subject = { name: NAME, call: 'GET /readyz' };
  let call: CallService;
  try {
    call = connectToService(deps);
    await call({ ...LOOK, path: '/readyz', timeoutMs: TIMEOUT_MS });
  } catch (error) {
    if (!(error instanceof CliFailure)) throw error;
    if (error.code === 'not_ready') return [{ ...subject, ...(await whyNotReady(deps, error)) }];
    const isNobody = error.code === 'service_unreachable' && !isNamed;
    const verdict = isNobody
      ? skipped(`${error.message} REPLICATOR_URL does not say that there has to be one`)
      : failed(error.message, error.remedy ?? LOOK_AT_LOG, error.code);
    return [{ ...subject, ...verdict }];
  }
  return [{ ...subject, ...ok('answers, and can store changes') }, ...(await checkKey(call))];
}

const Checks = z.object({
  checks: z.array(z.object({ name: z.string(), isOk: z.boolean(), detail: z.string().nullable() })),
});

/** The readiness itself tells no details; the status does, to whoever has a key. */
async function whyNotReady(deps: CliDeps, { message, remedy }: CliFailure): Promise<Verdict> {
  const fix = remedy ?? LOOK_AT_LOG;
  try {
    const answer = await connectToService(deps)({ ...LOOK, path: '/v1/status', timeoutMs: TIMEOUT_MS });
    const wrong = readAnswer(Checks, answer).checks.filter(({ isOk }) => !isOk);
    const reasons = wrong.map(({ name, detail }) => `${name}: ${detail ?? 'no details'}`);
    return failed([message, ...reasons].join(' '), fix, 'not_ready');
  } catch (error) {
    if (!(error instanceof CliFailure)) throw error;
    // A queue that is away for the moment may be waited for; all else needs somebody.
    const code = error.code === 'queue_unavailable' ? error.code : 'not_ready';
    return failed(`${message} GET /v1/status: ${error.message}`, fix, code);
  }
}

async function checkKey(call: CallService): Promise<readonly CheckResult[]> {
  const read = await tryCall({ name: `${NAME}: key, reading`, call: 'GET /v1/status' }, async () => {
    await call({ ...LOOK, path: '/v1/status', timeoutMs: TIMEOUT_MS });
    return 'accepted for the scope read';
  });
  // A key that nobody knows is as unknown to the next call.
  if (read.state === 'failed') return [read];
  const write = await tryCall({ name: `${NAME}: key, writing`, call: 'POST /v1/events' }, async () => {
    const body = TEST_EVENT;
    await call({
      method: 'POST',
      path: '/v1/events',
      body,
      scope: 'write',
      waitSec: null,
      timeoutMs: TIMEOUT_MS,
    });
    return 'accepted for the scope write; the test event is ignored';
  });
  return [read, write];
}

async function tryCall(
  subject: { readonly name: string; readonly call: string },
  run: () => Promise<string>,
): Promise<CheckResult> {
  try {
    return { ...subject, ...ok(await run()) };
  } catch (error) {
    if (!(error instanceof CliFailure)) throw error;
    const remedy = error.remedy ?? LOOK_AT_LOG;
    // A key of one scope is enough for who needs no other.
    const isEnough = error.code === 'insufficient_scope';
    return {
      ...subject,
      ...(isEnough ? warning(error.message, remedy) : failed(error.message, remedy, error.code)),
    };
  }
}

const Story = z.object({
  reason: z.string().optional(),
  rules: z.array(
    z.object({
      transfers: z.array(
        z.object({
          status: z.string(),
          fault: z.object({ code: z.string(), remedy: z.string() }).optional(),
        }),
      ),
    }),
  ),
});

/** What a running service knows of an object; null where none can be asked. */
export async function askForStory(
  deps: CliDeps,
  { bucket, key }: ObjectLocation,
): Promise<ServiceStory | null> {
  const path = `/v1/objects/explain?bucket=${encodeURIComponent(bucket)}&key=${encodeURIComponent(key)}`;
  try {
    const answer = await connectToService(deps)({ ...LOOK, path, timeoutMs: TIMEOUT_MS });
    const story = readAnswer(Story, answer);
    if (story.reason !== undefined) return { said: story.reason, isFinal: false };
    const transfers = story.rules.flatMap((rule) => rule.transfers);
    const [newest] = transfers;
    if (newest === undefined) return { said: 'it was never told of this object', isFinal: false };
    const { status, fault } = newest;
    const said =
      fault === undefined ? `the transfer is ${status}` : `${status}, ${fault.code}: ${fault.remedy}`;
    return { said, isFinal: status === 'parked' };
  } catch (error) {
    if (error instanceof CliFailure) return null;
    throw error;
  }
}
