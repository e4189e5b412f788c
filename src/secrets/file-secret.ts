// Secrets that a platform mounts as files: one file, one secret, the line break at its end not part of it.
import { type SecretReader, unreadable } from '../core/secret-reader.ts';

/** Above this it is the wrong file: a key file of Google has 2 KiB. */
const MAX_CHARACTERS = 64 * 1024;

/** `readFile` answers the text of a file or throws an error with the system's code. */
export function fileSecrets(readFile: (path: string) => string): SecretReader {
  return {
    read: async (path) => {
      try {
        const text = readFile(path).replace(/\r?\n$/, '');
        if (text.length > MAX_CHARACTERS)
          return unreadable('refused', `it has ${text.length} characters, too many for a secret`);
        return text.includes('\uFFFD') ? unreadable('not_text', '') : { ok: true, text };
      } catch (error) {
        const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown error';
        if (code === 'ENOENT' || code === 'ENOTDIR') return unreadable('missing', '');
        if (code === 'EISDIR') return unreadable('refused', 'it is a folder');
        return unreadable('denied', code);
      }
    },
  };
}
