// replicator doctor: tries everything that the service needs, one small look after the other, and says what to do.
import type { ObjectLocation } from '../../core/object.ts';
import { type CheckResult, failed, ok, skipped, warning } from '../../doctor/check-result.ts';
import type { DoctorParts } from '../../doctor/doctor-parts.ts';
import { examine, examinedBuckets } from '../../doctor/examine.ts';
import { sendCanary, type ServiceStory } from '../../doctor/whole-way.ts';
import type { CliDeps, ConfigReport, EndWith } from '../cli-deps.ts';
import { CliFailure, EXIT, type ExitCode, exitCodeOfFault } from '../exit-codes.ts';
import { printJson, printLine, safeText } from '../output.ts';
import { askForStory, checkService } from '../service-checks.ts';

interface DoctorOptions {
  readonly canary: boolean;
  readonly wait: string;
  readonly bucket?: string | undefined;
  readonly json: boolean;
}

/** Throws a usage failure where the options are wrong; a wrong configuration is the first thing it finds. */
export async function doctor(options: DoctorOptions, deps: CliDeps, endWith: EndWith): Promise<void> {
  const waitMs = readSeconds(options.wait) * 1000;
  const report = await deps.loadConfig();
  const results: CheckResult[] = [];
  const tell = (result: CheckResult): void => {
    results.push(result);
    // As text the results are the progress.
    if (options.json) printLine(deps.stderr, `${result.state}: ${safeText(result.name)}`);
    else for (const line of describe(result)) printLine(deps.stdout, line);
  };
  tell(checkConfiguration(report, deps));
  if (report.kind === 'ok') {
    const { rules } = report.config;
    if (options.bucket !== undefined && examinedBuckets(rules, options.bucket)[0]?.rules.length === 0)
      throw new CliFailure(
        EXIT.usage,
        'invalid_usage',
        `No rule covers the bucket ${JSON.stringify(options.bucket)}.`,
      );
    await using parts = await deps.openDoctor();
    for await (const result of examine(parts, options.bucket ?? null, deps.signal)) tell(result);
    for (const result of await checkService(deps, isServiceNamed(report))) tell(result);
    for await (const result of wholeWay(parts, { ...options, waitMs, results }, deps)) tell(result);
  }
  endWith(report.kind === 'invalid' ? EXIT.usage : exitCodeOf(results));
  const isHealthy = results.every(({ state }) => state !== 'failed');
  if (options.json) printJson(deps.stdout, { healthy: isHealthy, checks: results });
  else printLine(deps.stdout, summaryOf(results));
}

function readSeconds(text: string): number {
  if (/^\d{1,5}$/.test(text) && Number(text) > 0) return Number(text);
  throw new CliFailure(
    EXIT.usage,
    'invalid_wait',
    `--wait ${JSON.stringify(text)} is not a number of seconds.`,
  );
}

function checkConfiguration(report: ConfigReport, deps: CliDeps): CheckResult {
  const subject = { name: 'configuration', call: null };
  if (report.kind === 'invalid')
    return { ...subject, ...failed(deps.formatProblems(report.problems).trimEnd(), 'Correct the settings.') };
  const { rules } = report.config;
  const detail = rules.length === 1 ? 'one rule' : `${rules.length} rules`;
  if (report.warnings.length === 0) return { ...subject, ...ok(detail) };
  const warnings = report.warnings.map(({ setting, message }) => `${setting} ${message}`);
  return {
    ...subject,
    ...warning(`${detail}; ${warnings.join('; ')}`, 'Look at "replicator config print".'),
  };
}

function isServiceNamed({ settings }: ConfigReport): boolean {
  return settings.some(({ name, origin }) => name === 'REPLICATOR_URL' && origin !== 'default');
}

async function* wholeWay(
  parts: DoctorParts,
  options: {
    readonly canary: boolean;
    readonly waitMs: number;
    readonly bucket?: string | undefined;
    readonly results: readonly CheckResult[];
  },
  deps: CliDeps,
): AsyncGenerator<CheckResult> {
  const subject = { name: 'whole way', call: null };
  if (!options.canary) {
    const reason =
      'Not tried: --canary puts a small object into the source bucket, waits for its copy and takes both away';
    yield { ...subject, ...skipped(reason) };
    return;
  }
  const isBroken = options.results.some(
    ({ name, state }) => state === 'failed' && /^(source|target|configuration)/.test(name),
  );
  if (isBroken) {
    yield { ...subject, ...skipped('Not tried: what failed above is in its way') };
    return;
  }
  const isServiceThere = options.results.some(({ name, state }) => name === 'service' && state === 'ok');
  const explain = async (source: ObjectLocation): Promise<ServiceStory | null> =>
    isServiceThere ? askForStory(deps, source) : null;
  for (const { bucket, rules } of examinedBuckets(parts.rules, options.bucket ?? null))
    for (const rule of rules) {
      printLine(deps.stderr, `whole way: an object of ${safeText(rule.name)} is on its way`);
      yield* await sendCanary(parts, { rule, bucket, waitMs: options.waitMs, explain }, deps.signal);
    }
}

/** Temporary where waiting alone may help with everything that failed. */
function exitCodeOf(results: readonly CheckResult[]): ExitCode {
  const codes = results
    .filter(({ state }) => state === 'failed')
    .map(({ code }) => (code === null ? EXIT.failure : exitCodeOfFault(code)));
  if (codes.length === 0) return EXIT.ok;
  return codes.every((code) => code === EXIT.temporary) ? EXIT.temporary : EXIT.failure;
}

function describe({ name, state, call, detail, fix }: CheckResult): readonly string[] {
  const lines = detail.split('\n').map(safeText);
  const head = `${state.padEnd(8)} ${safeText(name)}${call === null ? '' : `  [${safeText(call)}]`}`;
  return [
    head,
    ...lines.map((line) => `         ${line}`),
    ...(fix === null ? [] : [`         fix: ${safeText(fix)}`]),
  ];
}

function summaryOf(results: readonly CheckResult[]): string {
  const count = (state: CheckResult['state']): number =>
    results.filter((result) => result.state === state).length;
  return `${count('ok')} ok, ${count('warning')} warnings, ${count('failed')} failed, ${count('skipped')} skipped`;
}
