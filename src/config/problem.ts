// What is wrong with a configuration, in words a person can act on: which setting, what was found, how to fix it.
import { MASK } from './secrets.ts';

/** Where a value came from. The real environment wins over the file. */
export type SettingOrigin = 'environment' | '.env' | 'default';

export interface ConfigProblem {
  /** The setting's name, or the place in the rules file (`rules.yaml:4:7`). */
  readonly setting: string;
  /** What was found, secrets masked; null where nothing is set. */
  readonly found: string | null;
  readonly reason: string;
  readonly fix: string;
}

/** Something that works but is probably not what was meant. */
export interface ConfigWarning {
  readonly setting: string;
  readonly message: string;
}

/** The problems as text for a terminal or a log, one paragraph each. */
export function formatProblems(problems: readonly ConfigProblem[]): string {
  const title = problems.length === 1 ? '1 problem' : `${problems.length} problems`;
  const paragraphs = problems.map(({ setting, found, reason, fix }) => {
    const shown = found === null ? '' : `\n    found: ${found}`;
    return `  ${setting}: ${reason}${shown}\n    fix:   ${fix}`;
  });
  return `The configuration has ${title}:\n\n${paragraphs.join('\n\n')}\n`;
}

/** The warnings as text, one line each; empty where there are none. */
export function formatWarnings(warnings: readonly ConfigWarning[]): string {
  return warnings.map(({ setting, message }) => `warning: ${setting}: ${message}\n`).join('');
}

const SHOWN_CHARACTERS = 80;

/** A value as a problem shows it: quoted and shortened, a secret as its length only. */
export function showFound(text: string, isSecret: boolean): string {
  if (isSecret || looksSecret(text)) return `${MASK}, ${text.length} characters`;
  const shortened = text.length > SHOWN_CHARACTERS ? `${text.slice(0, SHOWN_CHARACTERS)}...` : text;
  return quoteText(shortened);
}

/** A text in quotes with every character escaped that could disturb a terminal or a log. */
export function quoteText(text: string): string {
  return JSON.stringify(text).replace(
    /[\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** Pasted into the wrong variable: a key file, a private key, a URL with a password. */
function looksSecret(text: string): boolean {
  return /PRIVATE KEY|private_key|^\s*\{|^[a-z+]+:\/\/[^/]*@|^ey[JA-Z]|^[A-Za-z0-9+/=_-]{40,}$/.test(text);
}
