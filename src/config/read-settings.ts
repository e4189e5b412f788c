// Reads every setting of the table from the environment and the .env file. All problems are collected, none stops
// the reading; what the settings mean together is decided in config.ts.
import { parseEnv } from 'node:util';
import { nearestName } from './nearest-name.ts';
import {
  type ConfigProblem,
  type ConfigWarning,
  openPart,
  type SettingOrigin,
  showFound,
} from './problem.ts';
import { MASK } from './secrets.ts';
import type { Setting } from './setting.ts';
import type { Parsed } from './setting-parsers.ts';
import { READ_ELSEWHERE, type SettingName, settingNames, SETTINGS } from './settings.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

type SettingValues = {
  readonly [Name in SettingName]: (typeof SETTINGS)[Name] extends Setting<infer Value> ? Value : never;
};

/** One setting as `config print` shows it. `shown` holds no secret. */
export interface SettingReport {
  readonly name: SettingName;
  readonly shown: string;
  readonly origin: SettingOrigin;
  /** The name it was found under: an alias or its own; null where nothing is set. */
  readonly usedName: string | null;
}

export interface SettingsReading {
  readonly values: SettingValues;
  /** Settings that were given but not understood; their value above is only the default. */
  readonly failed: ReadonlySet<SettingName>;
  readonly report: readonly SettingReport[];
  readonly problems: readonly ConfigProblem[];
  readonly warnings: readonly ConfigWarning[];
}

/** The variables of a .env file; none where there is no file (null). */
export function parseEnvFile(text: string | null): Environment {
  return text === null ? {} : parseEnv(text);
}

/**
 * Reads all settings. A variable of the real environment wins over the file, whatever alias either uses; an empty
 * one counts as not set. Problems and warnings carry no secret.
 */
export function readSettings(env: Environment, envFile: Environment): SettingsReading {
  const values: Record<string, unknown> = {};
  const failed = new Set<SettingName>();
  const report: SettingReport[] = [];
  const problems: ConfigProblem[] = unsafe(env, envFile);
  for (const name of settingNames()) {
    const setting: Setting<unknown> = SETTINGS[name];
    const given = findGiven(name, setting, env, 'environment') ?? findGiven(name, setting, envFile, '.env');
    if (given === null) {
      values[name] = setting.fallback;
      report.push({ name, shown: setting.defaultText, origin: 'default', usedName: null });
      continue;
    }
    const parsed: Parsed<unknown> = setting.parse(given.text);
    const conflict = aliasConflict(setting, given);
    if (conflict !== null) problems.push(conflict);
    if (!parsed.ok) {
      const { reason, fix } = parsed;
      problems.push({ setting: given.name, found: foundIn(given, setting), reason, fix });
    }
    if (!parsed.ok || conflict !== null) failed.add(name);
    values[name] = parsed.ok ? parsed.value : setting.fallback;
    report.push({ name, shown: showGiven(given.text, setting), origin: given.origin, usedName: given.name });
  }
  // The loop filled every name with the value that its own row produced.
  const complete = values as SettingValues;
  return { values: complete, failed, report, problems, warnings: strangers(env, envFile) };
}

interface Given {
  readonly name: string;
  readonly text: string;
  readonly origin: SettingOrigin;
  /** Another name of the same setting with another text; null where there is none. */
  readonly other: { readonly name: string; readonly text: string } | null;
}

function findGiven(
  name: SettingName,
  setting: Setting<unknown>,
  variables: Environment,
  origin: SettingOrigin,
): Given | null {
  const found = [name, ...(setting.aliases ?? [])].flatMap((candidate) => {
    const raw = variables[candidate] ?? '';
    const text = setting.keepsSpaces === true ? raw : raw.trim();
    return text === '' ? [] : [{ name: candidate, text }];
  });
  const first = found[0];
  if (first === undefined) return null;
  return { ...first, origin, other: found.find((candidate) => candidate.text !== first.text) ?? null };
}

function aliasConflict(setting: Setting<unknown>, given: Given): ConfigProblem | null {
  if (given.other === null || setting.ownNameWins === true) return null;
  return {
    setting: given.name,
    found: `${foundText(given.text, setting)}, and ${given.other.name} is ${foundText(given.other.text, setting)}`,
    reason: `and ${given.other.name} are two names of one setting and differ`,
    fix: `remove ${given.other.name} or ${given.name}`,
  };
}

function foundIn(given: Given, setting: Setting<unknown>): string {
  const where = given.origin === '.env' ? ' (in .env)' : '';
  return foundText(given.text, setting) + where;
}

function foundText(text: string, setting: Setting<unknown>): string {
  return showFound(text, setting.isSecret === true, setting.isUrl === true);
}

function showGiven(text: string, setting: Setting<unknown>): string {
  if (setting.show !== undefined) return setting.show(text);
  if (setting.isSecret === true) return MASK;
  return openPart(text, setting.isUrl === true) ?? MASK;
}

function unsafe(env: Environment, envFile: Environment): ConfigProblem[] {
  const problems: ConfigProblem[] = [];
  if ((env['NODE_TLS_REJECT_UNAUTHORIZED'] ?? envFile['NODE_TLS_REJECT_UNAUTHORIZED'])?.trim() === '0')
    problems.push({
      setting: 'NODE_TLS_REJECT_UNAUTHORIZED',
      found: '"0"',
      reason: 'turns the check of certificates off for every connection',
      fix: 'remove it; for a private certificate authority set NODE_EXTRA_CA_CERTS to its certificate',
    });
  return problems;
}

/** Names that look like ours and are not, and names in the file that nothing reads. */
function strangers(env: Environment, envFile: Environment): ConfigWarning[] {
  const known = new Set<string>([...READ_ELSEWHERE, 'NODE_TLS_REJECT_UNAUTHORIZED']);
  for (const name of settingNames()) {
    const setting: Setting<unknown> = SETTINGS[name];
    known.add(name);
    for (const alias of setting.aliases ?? []) known.add(alias);
  }
  const inEnvironment = Object.keys(env)
    .sort()
    .filter((name) => name.startsWith('REPLICATOR_') && !known.has(name));
  const inFile = Object.keys(envFile)
    .sort()
    .filter((name) => !known.has(name) && !inEnvironment.includes(name));
  const hint = (name: string): string => {
    const nearest = nearestName(name, [...known]);
    return nearest === null ? '' : `; did you mean ${nearest}?`;
  };
  return [
    ...inEnvironment.map((name) => ({ setting: name, message: `is not a setting${hint(name)}` })),
    ...inFile.map((name) => ({
      setting: name,
      message: `is not a setting, and in .env nothing else reads it${hint(name)}`,
    })),
  ];
}

/** True where a setting was set, by whatever means. */
export function isGiven(reading: SettingsReading, name: SettingName): boolean {
  return reading.report.some((row) => row.name === name && row.origin !== 'default');
}
