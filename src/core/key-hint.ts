// What to say about a name that the source does not have: most often it was encoded once too often.

/** A hint for people where the key looks URL-encoded; null where it does not. */
export function encodingHint(key: string): string | null {
  if (!/%[0-9a-fA-F]{2}|\+/.test(key)) return null;
  return 'The name looks URL-encoded: a key given in a JSON request is literal, so send "a b" and not "a+b" or "a%20b".';
}
