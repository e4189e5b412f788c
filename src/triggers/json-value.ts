// Reading JSON that nobody vouches for: own fields only, and plain words for what is wrong. Nothing here throws.

/** A JSON object; its fields are read with `field`, which never sees an inherited one. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** True for a JSON object: neither null nor an array. */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The own field of an object; undefined where the value is no object or has no such field of its own. */
export function field(value: unknown, name: string): unknown {
  return isJsonObject(value) && Object.hasOwn(value, name) ? value[name] : undefined;
}

/** The own field as text that is not empty; null for anything else. */
export function textField(value: unknown, name: string): string | null {
  const found = field(value, name);
  return typeof found === 'string' && found !== '' ? found : null;
}

/** A value from outside as it may stand in a reason: on one line, quoted, cut at 80 characters. */
export function quoted(value: unknown): string {
  if (typeof value !== 'string') return value === undefined ? 'nothing' : describeKind(value);
  return JSON.stringify(value.length > 80 ? `${value.slice(0, 80)}...` : value);
}

function describeKind(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'an object';
  return `a ${typeof value}`;
}

/** Far beyond any real document; a value of a million levels takes seconds to write down again. */
const MAX_TEXT_DEPTH = 100;

/** The value of a JSON text, or the words that say why it is none. */
export function parseJson(text: string): { readonly value: unknown } | { readonly problem: string } {
  if (text.trim() === '') return { problem: 'is empty' };
  if (nestsTooDeeply(text)) return { problem: 'is nested too deeply' };
  try {
    return { value: JSON.parse(text) as unknown };
  } catch {
    return { problem: 'is not JSON' };
  }
}

/** Counts open brackets outside of strings, without looking at anything else. */
function nestsTooDeeply(text: string): boolean {
  let depth = 0;
  for (let index = 0; index < text.length; index++) {
    const character = text[index];
    if (character === '"') {
      index++;
      while (index < text.length && text[index] !== '"') index += text[index] === '\\' ? 2 : 1;
    } else if (character === '[' || character === '{') {
      depth++;
      if (depth > MAX_TEXT_DEPTH) return true;
    } else if (character === ']' || character === '}') depth--;
  }
  return false;
}
