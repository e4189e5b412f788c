// Reading JSON that nobody vouches for: own fields only, plain words for what is wrong, and a record's text for the
// quarantine whatever its depth. Nothing here throws.

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

/** The value of a JSON text, or the sentence that says why it is none. */
export function parseJson(text: string): { readonly value: unknown } | { readonly problem: string } {
  try {
    return { value: JSON.parse(text) as unknown };
  } catch {
    return { problem: text.trim() === '' ? 'is empty' : 'is not JSON' };
  }
}

/** JSON text of a value that came from JSON. Nesting deeper than the call stack allows is written piece by piece. */
export function toJsonText(value: unknown): string {
  try {
    return JSON.stringify(value) ?? 'null';
  } catch {
    return writeDeepJson(value);
  }
}

type Piece = { readonly text: string } | { readonly value: unknown };

function writeDeepJson(root: unknown): string {
  const written: string[] = [];
  const ahead: Piece[] = [{ value: root }];
  const seen = new Set<unknown>();
  for (let piece = ahead.pop(); piece !== undefined; piece = ahead.pop()) {
    if ('text' in piece) {
      written.push(piece.text);
      continue;
    }
    const { value } = piece;
    if (typeof value !== 'object' || value === null) {
      written.push(typeof value === 'bigint' ? String(value) : (JSON.stringify(value) ?? 'null'));
      continue;
    }
    // A value from JSON is a tree; whatever is met twice came from elsewhere and would never end.
    if (seen.has(value)) {
      written.push('null');
      continue;
    }
    seen.add(value);
    const isList = Array.isArray(value);
    const entries = Object.entries(value);
    ahead.push({ text: isList ? ']' : '}' });
    for (const [index, [name, child]] of entries.toReversed().entries()) {
      const isFirst = index === entries.length - 1;
      const label = isList ? '' : `${JSON.stringify(name)}:`;
      ahead.push({ value: child }, { text: `${isFirst ? '' : ','}${label}` });
    }
    ahead.push({ text: isList ? '[' : '{' });
  }
  return written.join('');
}
