// An answer that is not a success: status, headers, and what its XML document says. Reads, decides nothing.
import { type Headers, header } from './header-text.ts';
import { childText, parseXml } from './xml.ts';

export interface ErrorAnswer {
  readonly status: number;
  readonly headers: Headers;
  /** The code of the store (`NoSuchKey`); null for a HEAD and for answers that come from something else. */
  readonly code: string | null;
  readonly message: string | null;
  /** The region the store names instead of the one that was asked; null where it names none. */
  readonly bucketRegion: string | null;
}

/** `body` is the text of the answer, empty for a HEAD. */
export function readErrorAnswer(status: number, headers: Headers, body: string): ErrorAnswer {
  const document = parseXml(body, 'Error');
  const code = childText(document, 'Code');
  return {
    status,
    headers,
    code: code === '' ? null : code,
    message: childText(document, 'Message'),
    bucketRegion: header(headers, 'x-amz-bucket-region') ?? childText(document, 'Region'),
  };
}

/** True where the answer shows that the newest version of the key is a delete marker. */
export function isDeleteMarker(answer: ErrorAnswer): boolean {
  return answer.status === 404 && header(answer.headers, 'x-amz-delete-marker')?.toLowerCase() === 'true';
}
