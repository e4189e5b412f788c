// replicator backfill and replicator reconcile: ask the service for a run and follow it to its end. The service works
// on it by itself; whoever stops following stops nothing.
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import type { CliDeps, EndWith } from '../cli-deps.ts';
import { CliFailure, EXIT, type ExitCode, exitCodeOfFault } from '../exit-codes.ts';
import { printJson, printLine, safeText } from '../output.ts';
import { type CallService, connectToService, LOOK, readAnswer } from '../service-client.ts';
import { FaultView } from '../transfer-view.ts';

const POLL_MS = 1000;

const RunView = z.object({
  id: z.string(),
  rule: z.string(),
  buckets: z.array(z.string()).optional(),
  prefix: z.string(),
  state: z.string(),
  position: z.object({ bucket: z.string(), key: z.string() }).optional(),
  counts: z
    .object({ listed: z.number(), fed: z.number(), ended: z.number(), parked: z.number() })
    .catchall(z.unknown()),
  fault: FaultView.optional(),
});

type RunView = z.output<typeof RunView>;

const RunsAnswer = z.object({ runs: z.array(RunView) });

interface Place {
  readonly bucket?: string;
  readonly prefix?: string;
}

interface Following {
  readonly json: boolean;
  readonly detach: boolean;
}

/** Begins the backfills that the arguments mean, or cancels one. Throws a usage failure where they contradict. */
export async function backfill(
  place: string | undefined,
  options: Following & {
    readonly rule?: string | undefined;
    readonly prefix?: string | undefined;
    readonly cancel?: string | undefined;
  },
  deps: CliDeps,
  endWith: EndWith,
): Promise<void> {
  const path = '/v1/backfills';
  const { rule, prefix, cancel } = options;
  if (cancel !== undefined) {
    if (place !== undefined || rule !== undefined || prefix !== undefined)
      throw new CliFailure(EXIT.usage, 'invalid_usage', '--cancel takes the id of a run and nothing else.');
    await cancelRun(path, cancel, options.json, deps);
    return;
  }
  const named: Place = place === undefined ? {} : parsePlace(place);
  if (named.prefix !== undefined && prefix !== undefined)
    throw new CliFailure(
      EXIT.usage,
      'invalid_usage',
      'Give the prefix behind the bucket or as --prefix, not both.',
    );
  const body = {
    ...named,
    ...(rule === undefined ? {} : { rule }),
    ...(prefix === undefined ? {} : { prefix }),
  };
  await startAndFollow(path, body, options, deps, endWith);
}

/** Begins the reconciles of one rule or of all, or cancels one. Throws a usage failure where the options contradict. */
export async function reconcile(
  options: Following & { readonly rule?: string | undefined; readonly cancel?: string | undefined },
  deps: CliDeps,
  endWith: EndWith,
): Promise<void> {
  const path = '/v1/reconciles';
  const { rule, cancel } = options;
  if (cancel !== undefined) {
    if (rule !== undefined)
      throw new CliFailure(EXIT.usage, 'invalid_usage', '--cancel takes the id of a run and nothing else.');
    await cancelRun(path, cancel, options.json, deps);
    return;
  }
  await startAndFollow(path, rule === undefined ? {} : { rule }, options, deps, endWith);
}

/** `s3://bucket` or `s3://bucket/prefix`, taken literally. */
function parsePlace(text: string): Place {
  const match = /^s3:\/\/([^/]+)(?:\/(.*))?$/s.exec(text);
  const bucket = match?.[1];
  if (bucket === undefined)
    throw new CliFailure(
      EXIT.usage,
      'invalid_object',
      `${JSON.stringify(text)} does not name a bucket.`,
      'Write s3://bucket or s3://bucket/prefix; the prefix is taken as it is, nothing is decoded.',
    );
  const prefix = match?.[2] ?? '';
  return { bucket, ...(prefix === '' ? {} : { prefix }) };
}

async function startAndFollow(
  path: string,
  body: object,
  options: Following,
  deps: CliDeps,
  endWith: EndWith,
): Promise<void> {
  const call = connectToService(deps);
  const answer = await call({ method: 'POST', path, body, scope: 'admin', waitSec: null });
  let { runs } = readAnswer(RunsAnswer, answer);
  for (const run of runs) printLine(deps.stderr, `${safeText(run.id)}: ${describeScope(run)}`);
  if (!options.detach) {
    runs = await followToEnd(path, runs, call, deps);
    endWith(exitCodeOfRuns(runs));
  }
  if (options.json) printJson(deps.stdout, { runs });
  else for (const run of runs) printLine(deps.stdout, describeRun(run).join('\n'));
}

async function followToEnd(
  path: string,
  begun: readonly RunView[],
  call: CallService,
  deps: CliDeps,
): Promise<RunView[]> {
  const told = new Map<string, string>();
  for (;;) {
    const runs: RunView[] = [];
    for (const { id } of begun)
      runs.push(readAnswer(RunView, await call({ ...LOOK, path: `${path}/${encodeURIComponent(id)}` })));
    for (const run of runs) {
      const line = describeProgress(run);
      if (told.get(run.id) !== line) printLine(deps.stderr, line);
      told.set(run.id, line);
    }
    if (runs.every(hasEnded)) return runs;
    try {
      await sleep(POLL_MS, undefined, { signal: deps.signal });
    } catch (error) {
      printLine(deps.stderr, 'No longer followed. The service goes on with it.');
      throw error;
    }
  }
}

async function cancelRun(path: string, id: string, isJson: boolean, deps: CliDeps): Promise<void> {
  const answer = await connectToService(deps)({
    method: 'DELETE',
    path: `${path}/${encodeURIComponent(id)}`,
    body: null,
    scope: 'admin',
    waitSec: null,
  });
  const run = readAnswer(RunView, answer);
  if (isJson) printJson(deps.stdout, answer.json);
  else printLine(deps.stdout, describeRun(run).join('\n'));
}

function hasEnded({ state }: Pick<RunView, 'state'>): boolean {
  return state === 'completed' || state === 'failed' || state === 'cancelled';
}

/** The worst of all: one that failed says so; parked transfers leave the work half done. */
function exitCodeOfRuns(runs: readonly RunView[]): ExitCode {
  const failed = runs.find(({ state }) => state === 'failed');
  if (failed !== undefined)
    return failed.fault === undefined ? EXIT.failure : exitCodeOfFault(failed.fault.code);
  if (runs.some(({ state }) => state !== 'completed')) return EXIT.failure;
  return runs.some(({ counts }) => counts.parked > 0) ? EXIT.partial : EXIT.ok;
}

function describeScope({ rule, buckets, prefix }: RunView): string {
  const places = (buckets ?? ['*']).map((bucket) => `s3://${safeText(bucket)}/${safeText(prefix)}`);
  return `rule ${safeText(rule)}, ${places.join(', ')}`;
}

function describeProgress({ id, state, counts, fault }: RunView): string {
  const { listed, fed, ended, parked } = counts;
  const numbers = `${listed} listed, ${fed} fed, ${ended} ended${parked > 0 ? `, ${parked} parked` : ''}`;
  const wait = fault === undefined || hasEnded({ state }) ? '' : `; waits: ${safeText(fault.title)}`;
  return `${safeText(id)}: ${safeText(state)}, ${numbers}${wait}`;
}

function describeRun(run: RunView): string[] {
  const { id, state, counts, fault } = run;
  const lines = [`${safeText(id)}  ${safeText(state)}  ${describeScope(run)}`];
  const numbers = Object.entries(counts).flatMap(([name, count]) =>
    typeof count === 'number' && count > 0 ? [`${count} ${safeText(name)}`] : [],
  );
  lines.push(`  ${numbers.length === 0 ? 'nothing yet' : numbers.join(', ')}`);
  if (counts.parked > 0) lines.push('  "replicator parked" lists the reasons of what is parked.');
  if (fault !== undefined) {
    lines.push(`  fault:   ${safeText(fault.code)}: ${safeText(fault.message ?? fault.title)}`);
    lines.push(`  remedy:  ${safeText(fault.remedy)}`);
  }
  return lines;
}
