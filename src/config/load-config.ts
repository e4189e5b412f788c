// The two ways into a configuration: the whole one for the service, and the small one for commands that only call a
// running service.
import { buildConfig, type Config, type Secrets } from './config.ts';
import { checkEndpoint } from './config-endpoint.ts';
import { Findings } from './findings.ts';
import type { MachineFacts } from './machine-facts.ts';
import type { ConfigProblem, ConfigWarning } from './problem.ts';
import { readEnvFile } from './env-file.ts';
import type { Environment, SecretAnswers } from './given-value.ts';
import { isGiven, readSettings, type SettingReport, type SettingsReading } from './read-settings.ts';
import type { Secret } from './secrets.ts';

export interface ConfigSources {
  readonly env: Environment;
  /** Text of the `.env` file; null where there is none. */
  readonly envFileText: string | null;
  /** The system's code for why a `.env` that is there cannot be read; null or left out where nothing is wrong. */
  readonly envFileFault?: string | null;
  /** What was read for the references of secret settings; left out where there are none. */
  readonly secretAnswers?: SecretAnswers;
}

/** `settings`: every setting as it was found, without secrets, also where the configuration is invalid. */
export type LoadedConfig = {
  readonly settings: readonly SettingReport[];
  readonly warnings: readonly ConfigWarning[];
} & (
  | { readonly kind: 'ok'; readonly config: Config; readonly secrets: Secrets }
  | { readonly kind: 'invalid'; readonly problems: readonly ConfigProblem[] }
);

/** The config may only be used for checks: where there are problems, values stand in for what could not be read. */
type FurtherChecks = (reading: SettingsReading, config: Config, findings: Findings) => void;

/**
 * Reads everything and reports every problem at once. Nothing is read but the sources and the files they name; secrets
 * that are kept elsewhere are read before (`resolveSecrets` in src/resolve-secrets.ts). `checkFurther` adds what one
 * kind of process refuses beyond that.
 */
export function loadConfig(
  request: ConfigSources & MachineFacts,
  checkFurther: FurtherChecks = () => {},
): LoadedConfig {
  const { env, envFileText, envFileFault = null, secretAnswers, ...facts } = request;
  const envFile = readEnvFile(envFileText);
  const reading = readSettings(env, envFile.variables, secretAnswers);
  const findings = new Findings();
  const { config, secrets } = buildConfig(reading, facts, findings);
  checkFurther(reading, config, findings);
  // What is missing may stand in the file that cannot be read, so that only what is given and wrong is told beside it.
  const problems =
    envFileFault === null
      ? [...reading.problems, ...findings.problems]
      : [unreadableEnvFile(envFileFault), ...reading.problems];
  const seen = {
    settings: reading.report,
    warnings: [...envFile.warnings, ...reading.warnings, ...findings.warnings],
  };
  return problems.length > 0
    ? { kind: 'invalid', problems, ...seen }
    : { kind: 'ok', config, secrets, ...seen };
}

export type LoadedClientConfig =
  | { readonly kind: 'ok'; readonly url: string; readonly apiKey: Secret | null }
  | { readonly kind: 'invalid'; readonly problems: readonly ConfigProblem[] };

/** The settings that a command needs to call a running service. */
export const CLIENT_SETTINGS: ReadonlySet<string> = new Set([
  'REPLICATOR_URL',
  'REPLICATOR_API_KEY',
  'REPLICATOR_ADMIN_KEY',
  'REPLICATOR_ALLOW_INSECURE_ENDPOINTS',
  'NODE_TLS_REJECT_UNAUTHORIZED',
]);

/** What a command needs to call a running service; other settings may be missing or wrong. */
export function loadClientConfig(sources: ConfigSources): LoadedClientConfig {
  const reading = readSettings(
    sources.env,
    readEnvFile(sources.envFileText).variables,
    sources.secretAnswers,
  );
  const findings = new Findings();
  const url = serviceAddress(reading, findings);
  const { REPLICATOR_API_KEY: ownKey, REPLICATOR_ADMIN_KEY: adminKey } = reading.values;
  const isAddressGiven = isGiven(reading, 'REPLICATOR_URL');
  const own = reading.problems.filter(
    ({ setting }) => CLIENT_SETTINGS.has(setting) || (setting === 'PORT' && !isAddressGiven),
  );
  const { envFileFault = null } = sources;
  const unreadable = envFileFault === null ? [] : [unreadableEnvFile(envFileFault)];
  const problems = [...unreadable, ...own, ...findings.problems];
  return problems.length > 0
    ? { kind: 'invalid', problems }
    : // The key of the service beside it is for no other one.
      { kind: 'ok', url, apiKey: ownKey ?? (isAddressGiven ? null : adminKey) };
}

/** Where the service is called: as it was said, else where one with these settings listens on this machine. */
function serviceAddress(reading: SettingsReading, findings: Findings): string {
  const { REPLICATOR_URL: url, PORT: port } = reading.values;
  if (isGiven(reading, 'REPLICATOR_URL')) {
    checkEndpoint('REPLICATOR_URL', url, reading, findings);
    return url;
  }
  if (port === 0)
    findings.refuse(
      'REPLICATOR_URL',
      null,
      'is not set, and with PORT=0 nobody knows beforehand where the service listens',
      'set it to the address in the line "ready" of the log of the service',
    );
  return `http://127.0.0.1:${port}`;
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
