// replicator setup notification: plans what the source buckets have to announce, and writes it where told to.
import type { DestinationKind } from '../../core/bucket-notifications.ts';
import { expectedOwnerOf, type Rule } from '../../core/rule.ts';
import { readDestination } from '../../setup/destination.ts';
import { type BucketRun, runNotifications } from '../../setup/notification-run.ts';
import type { Destination } from '../../setup/wanted-notifications.ts';
import type { CliDeps, EndWith, ShownConfig } from '../cli-deps.ts';
import { CliFailure, EXIT, type ExitCode, EXIT_CODE_OF_FAULT } from '../exit-codes.ts';
import { describeRun, runJson, stateOf } from '../notification-view.ts';
import { printJson, printLine, safeText } from '../output.ts';
import { readOwnConfig } from '../own-config.ts';

interface NotificationOptions {
  readonly bucket?: string | undefined;
  readonly rule?: readonly string[] | undefined;
  readonly function?: string | undefined;
  readonly queue?: string | undefined;
  readonly topic?: string | undefined;
  readonly profile?: string | undefined;
  readonly remove: boolean;
  readonly apply: boolean;
  readonly json: boolean;
}

/** Throws a usage failure where the options contradict or name nothing. */
export async function setupNotification(
  options: NotificationOptions,
  deps: CliDeps,
  endWith: EndWith,
): Promise<void> {
  const { config } = await readOwnConfig(deps);
  const request = {
    rules: config.rules,
    ruleNames: options.rule ?? null,
    buckets: chosenBuckets(chosenRules(config.rules, options), options.bucket),
    destination: chosenDestination(config, options),
    isApplied: options.apply,
  };
  using parts = await deps.openSetup(options.profile ?? null);
  const runs: BucketRun[] = [];
  const shown: object[] = [];
  for await (const run of runNotifications(parts, request, deps.signal)) {
    runs.push(run);
    const account = expectedOwnerOf(config.rules, run.bucket);
    const about = { isApplied: options.apply, account, region: config.source.region };
    // As text the runs are the progress.
    if (options.json) {
      printLine(deps.stderr, `s3://${safeText(run.bucket)}: ${stateOf(run, options.apply)}`);
      shown.push(runJson(run, about));
    } else describeRun(run, about, deps.stdout);
  }
  endWith(exitCodeOfRuns(runs));
  if (options.json) printJson(deps.stdout, { applied: options.apply, buckets: shown });
}

function usage(message: string): CliFailure {
  return new CliFailure(EXIT.usage, 'invalid_usage', message);
}

function chosenRules(rules: readonly Rule[], options: NotificationOptions): readonly Rule[] {
  for (const name of options.rule ?? [])
    if (!rules.some((rule) => rule.name === name)) throw usage(`There is no rule ${JSON.stringify(name)}.`);
  const named = rules.filter(({ name }) => options.rule?.includes(name) ?? true);
  return options.bucket === undefined
    ? named
    : named.filter(({ source }) => source.bucket === options.bucket || source.bucket === '*');
}

function chosenBuckets(rules: readonly Rule[], bucket: string | undefined): readonly string[] {
  if (bucket !== undefined) {
    if (rules.length === 0) throw usage(`No rule covers the bucket ${JSON.stringify(bucket)}.`);
    return [bucket];
  }
  const buckets = new Set(rules.map(({ source }) => source.bucket));
  if (buckets.has('*')) throw usage('A rule covers every bucket: name the bucket to set up with --bucket.');
  return [...buckets];
}

function chosenDestination(config: ShownConfig, options: NotificationOptions): Destination | null {
  const given = (['function', 'queue', 'topic'] as const).flatMap(
    (kind): readonly (readonly [DestinationKind, string])[] => {
      const text = options[kind];
      return text === undefined ? [] : [[kind, text]];
    },
  );
  if (options.remove) {
    if (given.length > 0) throw usage('--remove takes no destination.');
    return null;
  }
  if (given.length > 1) throw usage('Name one destination: --function, --queue or --topic.');
  const { sqs } = config.intake;
  const [kind, text] = given[0] ?? ['queue', sqs?.queueUrl ?? null];
  if (text === null)
    throw usage(
      'Name where to send: --function ARN, --queue URL or --topic ARN, or set SQS_QUEUE_URL for the queue.',
    );
  const read = readDestination(kind, text, sqs?.region ?? config.source.region);
  if (read.kind === 'refused') throw usage(read.reason);
  return read.destination;
}

/** The one code of all buckets; where some went well and others did not, partial. */
function exitCodeOfRuns(runs: readonly BucketRun[]): ExitCode {
  const codes = new Set(runs.map(exitCodeOfRun));
  const first = [...codes].find((code) => code !== EXIT.ok) ?? EXIT.ok;
  return codes.size > 1 && codes.has(EXIT.ok) ? EXIT.partial : first;
}

function exitCodeOfRun(run: BucketRun): ExitCode {
  if (run.kind === 'failed') return EXIT_CODE_OF_FAULT[run.fault.code];
  if (run.plan.conflicts.length > 0) return EXIT.failure;
  switch (run.applied?.kind) {
    case undefined:
    case 'written':
      return EXIT.ok;
    case 'refused':
      return EXIT.failure;
    case 'overtaken':
      return run.applied.isOursThere ? EXIT.ok : EXIT.temporary;
    case 'not_shown':
      return EXIT.temporary;
  }
}
