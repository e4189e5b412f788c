// The configuration for commands that run on their own: they need all of it, as the service would.
import type { CliDeps, ConfigReport } from './cli-deps.ts';
import { CliFailure, EXIT } from './exit-codes.ts';

/** The valid configuration; a usage failure with every problem where there is none. */
export async function readOwnConfig(deps: CliDeps): Promise<Extract<ConfigReport, { kind: 'ok' }>> {
  const report = await deps.loadConfig();
  if (report.kind === 'ok') return report;
  throw new CliFailure(EXIT.usage, 'invalid_configuration', deps.formatProblems(report.problems));
}
