// The file .env: its variables, and the lines in it that do not do what somebody meant by them. Node's own parser
// passes over them without a word. No message repeats a value.
import { parseEnv } from 'node:util';
import type { Environment } from './given-value.ts';
import { type ConfigWarning, openPart } from './problem.ts';

export interface EnvFile {
  readonly variables: Environment;
  readonly warnings: readonly ConfigWarning[];
}

/** Reads the text of the file; null where there is none. */
export function readEnvFile(text: string | null): EnvFile {
  if (text === null) return { variables: {}, warnings: [] };
  // Some editors begin a file with a mark of its encoding, which would become part of the first name.
  const content = text.replace(/^\uFEFF/, '');
  return {
    variables: parseEnv(content),
    warnings: doubtfulLines(content).map((message) => ({ setting: '.env', message })),
  };
}

/** True for what is a name and may be shown as one; a line of a key that was pasted is none. */
export function isVariableName(text: string): boolean {
  return /^[A-Za-z_][A-Za-z0-9_]{0,63}$/.test(text) && openPart(text, false) !== null;
}

function doubtfulLines(content: string): string[] {
  const lines = content.split(/\r?\n/);
  const messages: string[] = [];
  const firstLineOf = new Map<string, number>();
  for (let index = 0; index < lines.length; index += 1) {
    const line = (lines[index] ?? '').trim();
    if (line === '' || line.startsWith('#')) continue;
    const number = index + 1;
    const [, name = '', value = ''] = /^(?:export\s+)?([^=]*?)\s*=\s*(.*)$/.exec(line) ?? [];
    if (!isVariableName(name)) {
      messages.push(`line ${number} is not NAME=value, and nothing reads it`);
      continue;
    }
    const first = firstLineOf.get(name);
    if (first === undefined) firstLineOf.set(name, number);
    else messages.push(`line ${number} sets ${name} again, after line ${first}; the last one counts`);
    // Unlike elsewhere, no space is needed before it.
    if (/^(?!["'`])[^#]*[^\s#]#/.test(value))
      messages.push(`line ${number}: the value of ${name} ends before its #; put it in quotes`);
    const end = endOfQuoted(lines, index, value);
    const swallowed = lines
      .slice(index + 1, end ?? index)
      .some((inside) => /^(?:export\s+)?[A-Z][A-Z0-9_]*=/.test(inside));
    if (end === null) messages.push(`line ${number} begins with a quote that has no end`);
    else if (swallowed)
      messages.push(
        `line ${number} begins with a quote that ends in line ${end + 1}; all between is the value of ${name}`,
      );
    index = end ?? index;
  }
  return messages;
}

/** The index of the line where the value ends that begins in line `index`; null where its quote never does. */
function endOfQuoted(lines: readonly string[], index: number, value: string): number | null {
  const quote = value[0];
  if (quote !== '"' && quote !== "'" && quote !== '`') return index;
  if (value.includes(quote, 1)) return index;
  const end = lines.findIndex((line, later) => later > index && line.includes(quote));
  return end === -1 ? null : end;
}
