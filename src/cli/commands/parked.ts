// replicator parked: what waits for a person, reason by reason; and redrive with options: all of one reason again.
import { z } from 'zod';
import type { CliDeps, EndWith } from '../cli-deps.ts';
import { CliFailure, EXIT } from '../exit-codes.ts';
import { printJson, printLine, safeText } from '../output.ts';
import { connectToService, readAnswer } from '../service-client.ts';
import { FaultView, TransferView } from '../transfer-view.ts';

/** Tens of thousands of transfers a second are marked: enough for many millions. */
const REDRIVE_TIMEOUT_MS = 600_000;

const ParkedAnswer = z.object({
  classes: z.array(
    z.object({
      rule: z.string(),
      fault: FaultView,
      count: z.number(),
      firstAt: z.string(),
      lastAt: z.string(),
      isRechecked: z.boolean().optional(),
      example: TransferView.optional(),
    }),
  ),
});

type ParkedView = z.output<typeof ParkedAnswer>['classes'][number];

const RedriveAnswer = z.object({ redriven: z.number(), more: z.boolean().optional() });

interface RedriveFilter {
  readonly fault?: string | undefined;
  readonly rule?: string | undefined;
  readonly bucket?: string | undefined;
  readonly prefix?: string | undefined;
}

export async function listParked(isJson: boolean, deps: CliDeps): Promise<void> {
  const call = connectToService(deps);
  const answer = await call({ method: 'GET', path: '/v1/parked', scope: 'read', body: null, waitSec: null });
  const { classes } = readAnswer(ParkedAnswer, answer);
  if (isJson) {
    printJson(deps.stdout, answer.json);
    return;
  }
  for (const parked of classes) printLine(deps.stdout, describeParked(parked).join('\n'));
  if (classes.length === 0) printLine(deps.stderr, 'Nothing is parked.');
}

/** Throws a usage failure without any option: everything at once must be asked for by name. */
export async function redriveParked(
  filter: RedriveFilter,
  isJson: boolean,
  deps: CliDeps,
  endWith: EndWith,
): Promise<void> {
  if (Object.keys(filter).length === 0)
    throw new CliFailure(
      EXIT.usage,
      'invalid_usage',
      'Name one transfer, or at least one of --fault, --rule, --bucket, --prefix.',
      '"replicator parked" lists the reasons.',
    );
  const answer = await connectToService(deps)({
    method: 'POST',
    path: '/v1/redrive',
    scope: 'admin',
    body: filter,
    waitSec: null,
    timeoutMs: REDRIVE_TIMEOUT_MS,
  });
  const { redriven, more } = readAnswer(RedriveAnswer, answer);
  if (isJson) printJson(deps.stdout, answer.json);
  else printLine(deps.stdout, `${redriven} ${redriven === 1 ? 'transfer runs' : 'transfers run'} again`);
  if (more !== true) return;
  printLine(deps.stderr, 'The service was stopped before it reached all: run this again.');
  endWith(EXIT.partial);
}

function describeParked({ rule, fault, count, firstAt, lastAt, isRechecked, example }: ParkedView): string[] {
  const lines = [
    `${count}  ${safeText(fault.code)}  (rule ${safeText(rule)}): ${safeText(fault.title)}`,
    `  parked:  from ${safeText(firstAt)} to ${safeText(lastAt)}`,
  ];
  if (example !== undefined) {
    const { id, source, fault: shown } = example;
    const message = shown?.message === undefined ? '' : `: ${safeText(shown.message)}`;
    lines.push(`  example: ${safeText(id)}  ${safeText(source.bucket)}/${safeText(source.key)}${message}`);
  }
  lines.push(`  remedy:  ${safeText(fault.remedy)}`);
  if (isRechecked === true) lines.push('  The service tries one of them every 15 minutes by itself.');
  return lines;
}
