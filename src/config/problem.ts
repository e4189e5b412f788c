// What is wrong with a configuration, in words a person can act on: which setting, what was found, how to fix it.
import { holdsSecretShape } from '../core/secret-shapes.ts';
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

/**
 * A value as a problem shows it: quoted and shortened, a secret as its length only. `isUrl`: the setting is a URL,
 * so that its text is read as one even without a scheme.
 */
export function showFound(text: string, isSecret: boolean, isUrl = false): string {
  const open = isSecret ? null : openPart(text, isUrl);
  if (open === null) return `${MASK}, ${text.length} characters`;
  return quoteText(open.length > SHOWN_CHARACTERS ? `${open.slice(0, SHOWN_CHARACTERS)}...` : open);
}

/**
 * What may be shown of a value: a URL without its query and fragment, which may carry a token; null where the value
 * looks like a secret, so that it was put under the wrong name.
 */
export function openPart(text: string, isUrl: boolean): string | null {
  const isAddress = isUrl || /^\s*[a-z][a-z0-9+.-]*:\/\//i.test(text);
  // A password may hold any sign, so nothing before or after it tells where it ends.
  if (isAddress && text.includes('@')) return null;
  const end = isAddress ? text.search(/[?#]/) : -1;
  const open = end === -1 ? text : `${text.slice(0, end + 1)}...`;
  return looksSecret(open) ? null : open;
}

/** A text in quotes with every character escaped that could disturb a terminal or a log. */
export function quoteText(text: string): string {
  return JSON.stringify(text).replace(
    /[\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** Pasted into the wrong variable: a key file, a private key, a token. */
function looksSecret(text: string): boolean {
  return (
    holdsSecretShape(text) || /PRIVATE KEY|private_key|^\s*\{|^ey[JA-Z]|^[A-Za-z0-9+/=_-]{40,}$/.test(text)
  );
}
