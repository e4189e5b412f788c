// Header values as text. S3 sends what does not fit into ASCII as encoded words (RFC 2047); other stores send raw
// UTF-8 bytes, which an HTTP parser hands over as Latin-1 characters.

export type Headers = Readonly<Record<string, string | string[] | undefined>>;

/** One header by its lower-case name, repeated ones joined with a comma; null where there is none. */
export function header(headers: Headers, name: string): string | null {
  const value = headers[name];
  if (value === undefined) return null;
  return typeof value === 'string' ? value : value.join(', ');
}

const ASCII = /^[\x00-\x7f]*$/;

/** Raw UTF-8 bytes in a header value turned back into text; anything else stays as it is. */
export function headerText(value: string): string {
  if (ASCII.test(value)) return value;
  return decodeUtf8(Buffer.from(value, 'latin1')) ?? value;
}

const ENCODED_WORD = /=\?([^?\s]+)\?([bq])\?([^?\s]*)\?=/i;
/** Encoded words with only white space between them are one text: the space is not part of it. */
const ENCODED_RUN = /=\?[^?\s]+\?[bq]\?[^?\s]*\?=(?:\s+=\?[^?\s]+\?[bq]\?[^?\s]*\?=)*/gi;

/**
 * A value of user metadata with its encoded words decoded. A run of words in another character set than UTF-8, or
 * whose bytes are no UTF-8, stays as it is: a guess could not be undone.
 */
export function decodeEncodedWords(value: string): string {
  if (!value.includes('=?')) return value;
  return value.replace(ENCODED_RUN, (run) => {
    // The bytes are put together before they are decoded: some writers split a character between two words.
    const parts: Buffer[] = [];
    for (const word of run.split(/\s+/)) {
      const match = ENCODED_WORD.exec(word);
      const charset = match?.[1]?.toLowerCase();
      if (match === null || (charset !== 'utf-8' && charset !== 'utf8' && charset !== 'us-ascii')) return run;
      const text = match[3] ?? '';
      parts.push(match[2]?.toLowerCase() === 'b' ? Buffer.from(text, 'base64') : decodeQ(text));
    }
    return decodeUtf8(Buffer.concat(parts)) ?? run;
  });
}

function decodeQ(text: string): Buffer {
  return Buffer.from(
    text
      .replaceAll('_', ' ')
      .replace(/=([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))),
    'latin1',
  );
}

function decodeUtf8(bytes: Uint8Array): string | null {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return null;
  }
}
