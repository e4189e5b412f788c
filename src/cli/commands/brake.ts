// replicator brake: which rules hold their mirrored deletes, and what a person decides about the held ones.
import { z } from 'zod';
import type { CliDeps } from '../cli-deps.ts';
import { printJson, printLine, safeText } from '../output.ts';
import { connectToService, LOOK, readAnswer } from '../service-client.ts';

/** As many transfers as a redrive of a class may have to mark. */
const DECIDE_TIMEOUT_MS = 600_000;

const BrakesAnswer = z.object({
  brakes: z.array(
    z.object({
      rule: z.string(),
      state: z.string(),
      trippedAt: z.string().optional(),
      deletes: z.number(),
      limit: z.number(),
      windowSec: z.number(),
      objects: z.number(),
      held: z.number(),
    }),
  ),
});

type BrakeView = z.output<typeof BrakesAnswer>['brakes'][number];

const DecisionAnswer = z.object({ held: z.number() });

export async function listBrakes(isJson: boolean, deps: CliDeps): Promise<void> {
  const answer = await connectToService(deps)({ ...LOOK, path: '/v1/brakes' });
  const { brakes } = readAnswer(BrakesAnswer, answer);
  if (isJson) {
    printJson(deps.stdout, answer.json);
    return;
  }
  for (const brake of brakes) printLine(deps.stdout, describeBrake(brake).join('\n'));
  if (brakes.length === 0) printLine(deps.stderr, 'No rule mirrors deletes.');
}

/** Lets the held deletes of a rule run again (release), or lets their objects stay for good (reject). */
export async function decideBrake(
  action: 'release' | 'reject',
  rule: string,
  isJson: boolean,
  deps: CliDeps,
): Promise<void> {
  const answer = await connectToService(deps)({
    method: 'POST',
    path: `/v1/rules/${encodeURIComponent(rule)}/brake`,
    scope: 'admin',
    body: { action },
    waitSec: null,
    timeoutMs: DECIDE_TIMEOUT_MS,
  });
  const { held } = readAnswer(DecisionAnswer, answer);
  if (isJson) {
    printJson(deps.stdout, answer.json);
    return;
  }
  const what = held === 1 ? '1 held delete' : `${held} held deletes`;
  const then = action === 'release' ? 'released' : 'rejected: the objects stay at the target';
  printLine(deps.stdout, held === 0 ? 'Nothing was held.' : `${what} ${then}`);
}

function describeBrake({
  rule,
  state,
  trippedAt,
  deletes,
  limit,
  windowSec,
  objects,
  held,
}: BrakeView): string[] {
  const name = safeText(rule);
  const since = trippedAt === undefined ? '' : ` since ${safeText(trippedAt)}`;
  const lines = [
    `${name}: ${safeText(state)}${since}`,
    `  deletes: ${deletes} within ${windowSec} s, at most ${limit}; about ${objects} objects`,
  ];
  if (held === 0) return lines;
  return [
    ...lines,
    `  held:    ${held}; list them: replicator transfers --status parked --fault delete_brake --rule ${name}`,
    `  then:    replicator brake release ${name}, or replicator brake reject ${name}`,
  ];
}
