// Names as PostgreSQL can keep them. Its texts hold neither NUL nor lone surrogates, and keys may hold both: they are
// written as escapes, and so is the backslash that begins one. What has none of these, nearly every name, is itself.

const SPECIAL = /[\\\0]|\p{Surrogate}/gu;
const ESCAPED = /\\(?:u([0-9a-f]{4})|(.))/g;

/** The text as it is kept. Different texts are different there too, and a beginning stays a beginning. */
export function toStored(text: string): string {
  return text.replace(SPECIAL, (character) => {
    if (character === '\\') return '\\\\';
    return character === '\0' ? '\\0' : `\\u${character.charCodeAt(0).toString(16)}`;
  });
}

/** The text that was kept. */
export function fromStored(stored: string): string {
  if (!stored.includes('\\')) return stored;
  return stored.replace(ESCAPED, (_, code: string | undefined, character: string | undefined) => {
    if (code !== undefined) return String.fromCharCode(Number.parseInt(code, 16));
    return character === '0' ? '\0' : '\\';
  });
}
