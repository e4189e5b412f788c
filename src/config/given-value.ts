// One setting as it was given: under which name, where, with which text; and its text when parts of it are references.
import { isSecretReference, parseSecretReference, type SecretReference } from '../core/secret-reference.ts';
import { openPart, type SettingOrigin, showFound } from './problem.ts';
import { MASK, type Secret } from './secrets.ts';
import type { Setting } from './setting.ts';
import { splitList } from './setting-parsers.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

/** What was read for a reference, or why it could not be. The words repeat no secret. */
export type SecretAnswer =
  | { readonly ok: true; readonly value: Secret }
  | { readonly ok: false; readonly reason: string; readonly fix: string };

/** By the text of the reference. */
export type SecretAnswers = ReadonlyMap<string, SecretAnswer>;

export interface Given {
  readonly name: string;
  readonly text: string;
  readonly origin: SettingOrigin;
  /** Another name of the same setting with another text; null where there is none. */
  readonly other: { readonly name: string; readonly text: string } | null;
}

/** How a setting was given by these variables; null where it was not. */
export function findGiven(
  name: string,
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

/** The texts of references in a setting that may hold one; none where it holds its value itself. */
export function referencesIn(text: string, setting: Setting<unknown>): readonly string[] {
  return partsOf(text, setting).filter(isSecretReference);
}

/** References of a setting that are written as they should be, with their texts. */
export function readableReferences(
  text: string,
  setting: Setting<unknown>,
): readonly (readonly [text: string, reference: SecretReference])[] {
  return referencesIn(text, setting).flatMap((part): [string, SecretReference][] => {
    const parsed = parseSecretReference(part);
    return parsed?.ok === true ? [[part, parsed.reference]] : [];
  });
}

/** One reference that leads to nothing, and why. */
export interface FailedReference {
  readonly text: string;
  readonly reason: string;
  readonly fix: string;
}

/** The text with every reference replaced by what was read for it, or everything that is wrong with them. */
export function withoutReferences(
  text: string,
  setting: Setting<unknown>,
  answers: SecretAnswers,
):
  | { readonly ok: true; readonly text: string }
  | { readonly ok: false; readonly failed: readonly FailedReference[] } {
  const parts: string[] = [];
  const failed: FailedReference[] = [];
  for (const part of partsOf(text, setting)) {
    const parsed = parseSecretReference(part);
    if (parsed === null) {
      parts.push(part);
      continue;
    }
    const answer = parsed.ok ? (answers.get(part) ?? UNREAD) : parsed;
    if (answer.ok) parts.push(answer.value.reveal().trim());
    else failed.push({ text: part, reason: answer.reason, fix: answer.fix });
  }
  return failed.length === 0 ? { ok: true, text: parts.join(',') } : { ok: false, failed };
}

/** Where the step that reads them was left out. */
const UNREAD = {
  ok: false,
  reason: 'is a reference that was not read',
  fix: 'write the value itself',
} as const;

/** Only lists have more than one part. */
function partsOf(text: string, setting: Setting<unknown>): readonly string[] {
  if (setting.isSecret !== true && setting.mayRefer !== true) return [];
  return setting.isList === true ? splitList(text) : [text];
}

/** A text as problems show it: references in full, secrets as their length. */
export function foundText(text: string, setting: Setting<unknown>): string {
  const references = referencesIn(text, setting);
  const [first] = references;
  if (first === undefined) return showFound(text, setting.isSecret === true, setting.isUrl === true);
  return references.length === 1 ? showFound(first, false) : `${references.length} references`;
}

/** A text as `config print` shows it. */
export function shownText(text: string, setting: Setting<unknown>): string {
  const parts = partsOf(text, setting);
  if (parts.some(isSecretReference))
    return parts.map((part) => (isSecretReference(part) ? (openPart(part, false) ?? MASK) : MASK)).join(',');
  if (setting.show !== undefined) return setting.show(text);
  if (setting.isSecret === true) return MASK;
  return openPart(text, setting.isUrl === true) ?? MASK;
}
