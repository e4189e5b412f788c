// Which references the settings hold, and where the places that keep their secrets are asked.
import type { SecretPlace, SecretReference } from '../core/secret-reference.ts';
import { checkEndpoint } from './config-endpoint.ts';
import { readEnvFile } from './env-file.ts';
import { Findings } from './findings.ts';
import { type Environment, findGiven, readableReferences } from './given-value.ts';
import type { SettingsReading } from './read-settings.ts';
import type { Setting } from './setting.ts';
import { type SettingName, settingNames, SETTINGS } from './settings.ts';

export interface FoundReference {
  readonly setting: SettingName;
  /** As it stands in the setting. */
  readonly text: string;
  readonly reference: SecretReference;
}

/** The references of all settings, or of those in `only`, as they count: malformed and overridden ones are left out. */
export function findReferences(
  sources: { readonly env: Environment; readonly envFileText: string | null },
  only: ReadonlySet<string> | null,
): readonly FoundReference[] {
  const { variables } = readEnvFile(sources.envFileText);
  return settingNames()
    .filter((name) => only?.has(name) ?? true)
    .flatMap((name) => {
      const setting: Setting<unknown> = SETTINGS[name];
      const given =
        findGiven(name, setting, sources.env, 'environment') ?? findGiven(name, setting, variables, '.env');
      if (given === null) return [];
      return readableReferences(given.text, setting).map(([text, reference]) => ({
        setting: name,
        text,
        reference,
      }));
    });
}

type EndpointSetting =
  | 'AWS_ENDPOINT_URL_SSM'
  | 'AWS_ENDPOINT_URL_SECRETS_MANAGER'
  | 'AWS_ENDPOINT_URL'
  | 'SECRET_MANAGER_EMULATOR_HOST';

const OWN_SETTING = {
  ssm: 'AWS_ENDPOINT_URL_SSM',
  'aws-sm': 'AWS_ENDPOINT_URL_SECRETS_MANAGER',
  'gcp-sm': 'SECRET_MANAGER_EMULATOR_HOST',
} as const satisfies Partial<Record<SecretPlace, EndpointSetting>>;

/** Where a place is asked: scheme, host and port, null for the provider itself; or what forbids it, in words. */
export function secretEndpoint(
  place: keyof typeof OWN_SETTING,
  reading: SettingsReading,
): { readonly ok: true; readonly url: string | null } | { readonly ok: false; readonly words: string } {
  const own = OWN_SETTING[place];
  const setting = reading.values[own] === null && place !== 'gcp-sm' ? 'AWS_ENDPOINT_URL' : own;
  const url = reading.values[setting];
  const findings = new Findings();
  checkEndpoint(setting, url, reading, findings);
  const [problem] = findings.problems;
  if (problem !== undefined) return { ok: false, words: `${setting} ${problem.reason}` };
  return reading.failed.has(setting)
    ? { ok: false, words: `${setting} is not understood` }
    : { ok: true, url };
}

/** Addresses of their own have to be as safe as those of the stores. */
export function checkSecretEndpoints(reading: SettingsReading, findings: Findings): void {
  for (const setting of Object.values(OWN_SETTING))
    checkEndpoint(setting, reading.values[setting], reading, findings);
}
