// How one bucket's run of `setup notification` is told: to people as a table and what to do, to scripts as JSON.
import type { BucketNotifications, NotificationEntry } from '../core/bucket-notifications.ts';
import { fixOfFault } from '../doctor/fix-of-fault.ts';
import type { Applied } from '../setup/apply-notifications.ts';
import { type PermissionAdvice, permissionAdvice } from '../setup/destination-permission.ts';
import {
  changesAnything,
  type NotificationConflict,
  type NotificationPlan,
} from '../setup/notification-plan.ts';
import { reachOf } from '../setup/notification-reach.ts';
import type { BucketRun } from '../setup/notification-run.ts';
import { isOwnEntry } from '../setup/wanted-notifications.ts';
import type { TextSink } from './cli-deps.ts';
import { printLine, printTable, safeText } from './output.ts';

interface About {
  readonly isApplied: boolean;
  /** The account that owns the bucket; null where it is not known. */
  readonly account: string | null;
  readonly region: string;
}

/** One word for what became of the bucket. */
export function stateOf(run: BucketRun, isApplied: boolean): string {
  if (run.kind === 'failed') return 'failed';
  if (run.plan.conflicts.length > 0) return 'conflict';
  if (run.applied !== null) return run.applied.kind;
  return changesAnything(run.plan) && !isApplied ? 'planned' : 'unchanged';
}

/** Writes the run as text. */
export function describeRun(run: BucketRun, about: About, sink: TextSink): void {
  printLine(sink, `s3://${safeText(run.bucket)} (${run.ruleNames.map(safeText).join(', ')})`);
  if (run.kind === 'failed') {
    printLine(sink, `  failed: ${safeText(run.fault.message)}`);
    printLine(sink, `  ${safeText(fixOfFault(run.fault))}`);
    return;
  }
  const rows = rowsOf(run.plan);
  if (rows.length === 0) printLine(sink, '  Nothing is announced.');
  else printTable(sink, ['  ', 'ID', 'TO', 'EVENTS', 'KEYS'], rows);
  if (run.before.hasEventBridge) printLine(sink, '  EventBridge is on and stays on.');
  for (const { by } of run.plan.covered)
    printLine(sink, `  ${safeText(nameOf(by))} announces all of it already: nothing has to be added.`);
  for (const line of endingOf(run, about)) printLine(sink, `  ${line}`);
}

function rowsOf(plan: NotificationPlan): string[][] {
  const row = (sign: string) => (entry: NotificationEntry) => {
    const { filter } = reachOf(entry);
    const keys = `${filter.prefix}*${filter.suffix}`;
    return [sign, entry.id ?? '', entry.arn, entry.events.join(' '), keys];
  };
  return [
    ...plan.kept.map(row('  kept')),
    ...plan.unchanged.map(row('  there')),
    ...plan.removed.map(row('- remove')),
    ...plan.added.map(row('+ add')),
  ];
}

function endingOf(run: Extract<BucketRun, { kind: 'planned' }>, about: About): readonly string[] {
  if (run.plan.conflicts.length > 0) return run.plan.conflicts.flatMap(conflictLines);
  if (run.applied !== null) return appliedLines(run, run.applied, about);
  if (!changesAnything(run.plan)) return ['Nothing to do.'];
  return ['Nothing was written. The same command with --apply writes it.'];
}

function conflictLines({ wanted, foreign, events }: NotificationConflict): string[] {
  const isSameDestination = foreign.arn === wanted.entry.arn;
  const { filter } = reachOf(foreign);
  return [
    `conflict: ${safeText(nameOf(foreign))} announces ${events.join(', ')} of ${safeText(`${filter.prefix}*${filter.suffix}`)} too. S3 refuses two entries that share an event type where both prefixes and both suffixes can hold for one key. Nothing was written.`,
    isSameDestination
      ? 'It goes to the same destination and announces less. Remove it, or let it announce what is listed above, and run this again.'
      : 'Way out: one entry that both listen to. Send the events to an SNS topic in the place of the other entry, subscribe its receiver and ours to the topic, and run this with --topic; or turn EventBridge on for the bucket and give both a rule there.',
  ];
}

function nameOf({ id, kind, arn }: NotificationEntry): string {
  return `${id === null || id === '' ? 'an entry without a name' : JSON.stringify(id)} (${kind} ${arn})`;
}

function appliedLines(
  run: Extract<BucketRun, { kind: 'planned' }>,
  applied: Applied,
  about: About,
): readonly string[] {
  switch (applied.kind) {
    case 'written':
      return ['Written, and read back as it was written.'];
    case 'not_shown':
      return [
        'S3 took it and still shows what was there before. It may take a minute; run this again to see.',
      ];
    case 'overtaken':
      return applied.isOursThere
        ? ['Written. Somebody else changed other entries of the bucket meanwhile; look at them once more.']
        : [
            'Somebody else wrote the notifications of this bucket meanwhile and undid it. Run this again, when the other one is done.',
          ];
    case 'refused':
      return [
        `S3 refused it, nothing was written: ${safeText(applied.by.message)}`,
        ...refusedLines(run, about),
      ];
  }
}

function refusedLines(run: Extract<BucketRun, { kind: 'planned' }>, about: About): readonly string[] {
  const { foreign, advice } = refusalOf(run, about);
  return [
    ...foreign.map(
      (arn) =>
        `${safeText(arn)} belongs to an entry of somebody else: S3 checks every destination at every write. Repair or remove that entry first.`,
    ),
    ...advice.flatMap(({ title, statement, commands, notes }) => [
      `${title}:`,
      ...(statement === null ? [] : [`  ${JSON.stringify(statement)}`]),
      ...commands.map((command) => `  ${command}`),
      ...notes,
    ]),
  ];
}

/** Which destinations S3 does not accept: ours with how to allow it, and those of others. */
function refusalOf(
  run: Extract<BucketRun, { kind: 'planned' }>,
  about: About,
): { readonly foreign: readonly string[]; readonly advice: readonly PermissionAdvice[] } {
  const by = run.applied?.kind === 'refused' ? run.applied.by : null;
  if (by?.kind !== 'destination') return { foreign: [], advice: [] };
  const ours = run.plan.after.entries.filter(isOwnEntry);
  const named = by.refused.map(({ arn }) => arn);
  const destinations = new Map(
    ours
      .filter(({ arn }) => named.length === 0 || named.includes(arn))
      .map(({ kind, arn }) => [arn, { kind, arn }]),
  );
  return {
    foreign: named.filter((arn) => !ours.some((entry) => entry.arn === arn)),
    advice: [...destinations.values()].map((destination) =>
      permissionAdvice(destination, { bucket: run.bucket, ...about }),
    ),
  };
}

/** The run for scripts. */
export function runJson(run: BucketRun, about: About): object {
  const head = { bucket: run.bucket, rules: run.ruleNames, state: stateOf(run, about.isApplied) };
  if (run.kind === 'failed') {
    const { code, message } = run.fault;
    return { ...head, fault: { code, message, remedy: fixOfFault(run.fault) } };
  }
  const { plan, before, applied } = run;
  const { foreign, advice } = refusalOf(run, about);
  return {
    ...head,
    before: documentJson(before),
    plan: {
      added: plan.added.map(entryJson),
      removed: plan.removed.map(entryJson),
      unchanged: plan.unchanged.map(entryJson),
      kept: plan.kept.map(entryJson),
      coveredBy: plan.covered.map(({ by }) => entryJson(by)),
      conflicts: plan.conflicts.map((conflict) => ({
        with: entryJson(conflict.foreign),
        events: conflict.events,
      })),
    },
    ...(applied?.kind === 'refused' ? { refusal: { message: applied.by.message, foreign, advice } } : {}),
    ...(applied?.kind === 'overtaken'
      ? { overtaken: { isOursThere: applied.isOursThere, found: documentJson(applied.found) } }
      : {}),
  };
}

function documentJson({ entries, hasEventBridge }: BucketNotifications): object {
  return { entries: entries.map(entryJson), eventBridge: hasEventBridge };
}

function entryJson(entry: NotificationEntry): object {
  const { kind, id, arn, events } = entry;
  return { kind, id, arn, events, ...reachOf(entry).filter };
}
