// The two ways into a configuration: the whole one for the service, and the small one for commands that only call a
// running service.
import { buildConfig, type Config, type Secrets } from './config.ts';
import { checkEndpoint } from './config-endpoint.ts';
import { Findings } from './findings.ts';
import type { MachineFacts } from './machine-facts.ts';
import type { ConfigProblem, ConfigWarning } from './problem.ts';
import { type Environment, parseEnvFile, readSettings, type SettingReport } from './read-settings.ts';
import type { Secret } from './secrets.ts';

export interface ConfigSources {
  readonly env: Environment;
  /** Text of the `.env` file; null where there is none. */
  readonly envFileText: string | null;
  /** The system's code for why a `.env` that is there cannot be read; null or left out where nothing is wrong. */
  readonly envFileFault?: string | null;
}

/** `settings`: every setting as it was found, without secrets, also where the configuration is invalid. */
export type LoadedConfig = {
  readonly settings: readonly SettingReport[];
  readonly warnings: readonly ConfigWarning[];
} & (
  | { readonly kind: 'ok'; readonly config: Config; readonly secrets: Secrets }
  | { readonly kind: 'invalid'; readonly problems: readonly ConfigProblem[] }
);

/** Reads everything and reports every problem at once. Nothing is read but the sources and the files they name. */
export function loadConfig(request: ConfigSources & MachineFacts): LoadedConfig {
  const { env, envFileText, envFileFault = null, ...facts } = request;
  const reading = readSettings(env, parseEnvFile(envFileText));
  const findings = new Findings();
  const { config, secrets } = buildConfig(reading, facts, findings);
  // What is missing may stand in the file that cannot be read, so that only what is given and wrong is told beside it.
  const problems =
    envFileFault === null
      ? [...reading.problems, ...findings.problems]
      : [unreadableEnvFile(envFileFault), ...reading.problems];
  const seen = { settings: reading.report, warnings: [...reading.warnings, ...findings.warnings] };
  return problems.length > 0
    ? { kind: 'invalid', problems, ...seen }
    : { kind: 'ok', config, secrets, ...seen };
}

export type LoadedClientConfig =
  | { readonly kind: 'ok'; readonly url: string; readonly apiKey: Secret | null }
  | { readonly kind: 'invalid'; readonly problems: readonly ConfigProblem[] };

const CLIENT_SETTINGS: ReadonlySet<string> = new Set([
  'REPLICATOR_URL',
  'REPLICATOR_API_KEY',
  'REPLICATOR_ALLOW_INSECURE_ENDPOINTS',
  'NODE_TLS_REJECT_UNAUTHORIZED',
]);

/** What a command needs to call a running service; other settings may be missing or wrong. */
export function loadClientConfig(sources: ConfigSources): LoadedClientConfig {
  const reading = readSettings(sources.env, parseEnvFile(sources.envFileText));
  const findings = new Findings();
  const { REPLICATOR_URL: url, REPLICATOR_API_KEY: apiKey } = reading.values;
  checkEndpoint('REPLICATOR_URL', url, reading, findings);
  const own = reading.problems.filter(({ setting }) => CLIENT_SETTINGS.has(setting));
  const { envFileFault = null } = sources;
  const unreadable = envFileFault === null ? [] : [unreadableEnvFile(envFileFault)];
  const problems = [...unreadable, ...own, ...findings.problems];
  return problems.length > 0 ? { kind: 'invalid', problems } : { kind: 'ok', url, apiKey };
}

function unreadableEnvFile(code: string): ConfigProblem {
  return {
    setting: '.env',
    found: null,
    reason:
      code === 'EISDIR'
        ? 'is a folder, not a file of settings'
        : `is in the working folder and cannot be read (${code})`,
    fix: 'make .env a file that this process may read, or remove it and set the variables in the environment',
  };
}
