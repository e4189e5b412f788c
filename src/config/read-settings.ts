// Reads every setting of the table from the environment and the .env file. All problems are collected, none stops
// the reading; what the settings mean together is decided in config.ts.
import { isSecretReference } from '../core/secret-reference.ts';
import { isVariableName } from './env-file.ts';
import {
  type Environment,
  findGiven,
  foundText,
  type Given,
  referencesIn,
  type SecretAnswers,
  shownText,
  withoutReferences,
} from './given-value.ts';
import { nearestName } from '../core/nearest-name.ts';
import { type ConfigProblem, type ConfigWarning, type SettingOrigin, showFound } from './problem.ts';
import type { Setting } from './setting.ts';
import { refuse } from './setting-parsers.ts';
import { READ_ELSEWHERE, type SettingName, settingNames, SETTINGS } from './settings.ts';

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
  /** Settings whose value was read by a reference, with its text. */
  readonly referred: ReadonlyMap<SettingName, string>;
  readonly report: readonly SettingReport[];
  readonly problems: readonly ConfigProblem[];
  readonly warnings: readonly ConfigWarning[];
}

const NO_ANSWERS: SecretAnswers = new Map();

/**
 * Reads all settings. A variable of the real environment wins over the file, whatever alias either uses; an empty
 * one counts as not set. `answers`: what was read for the references of secret settings. Problems and warnings carry
 * no secret.
 */
export function readSettings(
  env: Environment,
  envFile: Environment,
  answers: SecretAnswers = NO_ANSWERS,
): SettingsReading {
  const values: Record<string, unknown> = {};
  const failed = new Set<SettingName>();
  const referred = new Map<SettingName, string>();
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
    const parsed = parseGiven(given, setting, answers);
    const conflict = aliasConflict(setting, given);
    if (conflict !== null) problems.push(conflict);
    if (!parsed.ok) problems.push(...parsed.problems);
    if (!parsed.ok || conflict !== null) failed.add(name);
    if (referencesIn(given.text, setting).length > 0) referred.set(name, given.text);
    values[name] = parsed.ok ? parsed.value : setting.fallback;
    report.push({ name, shown: shownText(given.text, setting), origin: given.origin, usedName: given.name });
  }
  // The loop filled every name with the value that its own row produced.
  const complete = values as SettingValues;
  return { values: complete, failed, referred, report, problems, warnings: strangers(env, envFile) };
}

/** The value, or what is wrong with it: one thing, or one for each reference that leads to nothing. */
function parseGiven(
  given: Given,
  setting: Setting<unknown>,
  answers: SecretAnswers,
):
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly problems: ConfigProblem[] } {
  const where = given.origin === '.env' ? ' (in .env)' : '';
  const problem = (found: string, { reason, fix }: { reason: string; fix: string }): ConfigProblem => ({
    setting: given.name,
    found,
    reason,
    fix,
  });
  const found = foundText(given.text, setting) + where;
  if (referencesIn(given.text, setting).length === 0) {
    const parsed = isMisplaced(given.text, setting) ? MISPLACED : setting.parse(given.text);
    return parsed.ok ? parsed : { ok: false, problems: [problem(found, parsed)] };
  }
  const replaced = withoutReferences(given.text, setting, answers);
  if (!replaced.ok) {
    const problems = replaced.failed.map((one) => problem(showFound(one.text, false) + where, one));
    return { ok: false, problems };
  }
  const parsed = setting.parse(replaced.text);
  if (parsed.ok) return parsed;
  return {
    ok: false,
    problems: [problem(`${found}, which holds ${showFound(replaced.text, true)}`, parsed)],
  };
}

const MISPLACED = refuse(
  'is a reference, which only secret settings may be',
  'write the value itself; it is no secret',
);

/** A reference where none is understood. A part of a key may begin like one. */
function isMisplaced(text: string, setting: Setting<unknown>): boolean {
  const mayBe = setting.isSecret === true || setting.mayRefer === true || setting.keepsSpaces === true;
  return !mayBe && isSecretReference(text);
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
    .filter((name) => !known.has(name) && !inEnvironment.includes(name) && isVariableName(name));
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
