// The Content-Range of an upload request: a question, a finish without bytes, or bytes with their place.

export type UploadRange =
  /** `bytes *` + `/*`: how far did you get? */
  | { readonly kind: 'status' }
  /** `bytes *` + `/T`: that was all, T bytes. */
  | { readonly kind: 'finish'; readonly totalBytes: number }
  /**
   * Bytes from `startByte`. `endByte` is exclusive and null when the body says itself where it ends;
   * `totalBytes` is null while the client does not know the object's size.
   */
  | {
      readonly kind: 'bytes';
      readonly startByte: number;
      readonly endByte: number | null;
      readonly totalBytes: number | null;
    };

/** Null for text that is no Content-Range of an upload. A missing header is the whole object from byte 0. */
export function parseUploadRange(text: string | null): UploadRange | null {
  if (text === null) return { kind: 'bytes', startByte: 0, endByte: null, totalBytes: null };
  const match = /^bytes[ \t]+(?:\*|(\d{1,15})-(\d{1,15}|\*))\/(\d{1,15}|\*)$/.exec(text.trim());
  if (match === null) return null;
  const [, start, last, total] = match;
  const totalBytes = total === undefined || total === '*' ? null : Number(total);
  if (start === undefined) return totalBytes === null ? { kind: 'status' } : { kind: 'finish', totalBytes };
  const startByte = Number(start);
  const endByte = last === undefined || last === '*' ? null : Number(last) + 1;
  if (endByte !== null && endByte <= startByte) return null;
  if (totalBytes !== null && (endByte ?? startByte) > totalBytes) return null;
  return { kind: 'bytes', startByte, endByte, totalBytes };
}
