// replicator config print: what the service would run with, or everything that keeps it from running.
import type { Rule } from '../../core/rule.ts';
import type { CliDeps, EndWith, ShownConfig } from '../cli-deps.ts';
import { EXIT } from '../exit-codes.ts';
import { printJson, printLine, printTable, safeText, showBytes } from '../output.ts';

export async function printConfig(isJson: boolean, deps: CliDeps, endWith: EndWith): Promise<void> {
  const report = await deps.loadConfig();
  const { settings, warnings } = report;
  if (report.kind === 'invalid') endWith(EXIT.usage);
  if (isJson) {
    const rest =
      report.kind === 'ok'
        ? { rules: report.config.rules, inEffect: inEffect(report.config) }
        : { problems: report.problems };
    printJson(deps.stdout, { kind: report.kind, settings, ...rest, warnings });
    return;
  }
  printTable(
    deps.stdout,
    ['SETTING', 'VALUE', 'FROM'],
    settings.map(({ name, shown, origin, usedName }) => [
      name,
      shown,
      usedName === null || usedName === name ? origin : `${origin} (${usedName})`,
    ]),
  );
  if (report.kind === 'ok') {
    printLine(deps.stdout, '');
    for (const rule of report.config.rules) printLine(deps.stdout, safeText(describeRule(rule)));
    for (const [name, value] of Object.entries(inEffect(report.config)))
      printLine(deps.stdout, safeText(`${name}: ${value}`));
  }
  for (const { setting, message } of warnings)
    printLine(deps.stderr, `warning: ${safeText(setting)}: ${safeText(message)}`);
  if (report.kind === 'invalid') deps.stderr.write(`\n${deps.formatProblems(report.problems)}`);
}

/** What several settings and the machine decide together. */
function inEffect(config: ShownConfig): Record<string, string> {
  const { source, target, http, transfer, log } = config;
  return {
    source: `${source.endpoint ?? 'Amazon S3'}, region ${source.region}, credentials ${source.credentials}`,
    target: `${target.endpoint ?? 'Google Cloud Storage'}, credentials ${target.credentials}`,
    listens: `${http.host}:${http.port}, authentication ${http.auth.kind}`,
    memory: showBytes(transfer.maxMemoryBytes),
    log: log.format,
  };
}

function describeRule(rule: Rule): string {
  const { source, target } = rule;
  const from = `${source.bucket === '*' ? 'every bucket' : source.bucket}/${source.prefix}*${source.suffix}`;
  const bucketPart = target.prependBucket ? '{bucket}/' : '';
  const stripped = target.stripPrefix === '' ? '' : ` without ${JSON.stringify(target.stripPrefix)}`;
  const to = `${target.bucket}/${target.prefix}${bucketPart}{key${stripped}}`;
  const extras = [
    source.expectedOwner === null ? null : `owner ${source.expectedOwner}`,
    `deletes ${rule.deletes}`,
    `adopt ${rule.adopt}`,
    `verify ${rule.verify}`,
    `metadata ${rule.metadata}`,
    target.storageClass === null ? null : `storage class ${target.storageClass}`,
    target.kmsKeyName === null ? null : `key ${target.kmsKeyName}`,
  ].filter((extra) => extra !== null);
  return `rule ${rule.name}: ${from} -> ${to} (${extras.join(', ')})`;
}
