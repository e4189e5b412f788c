// s3://bucket/key, taken literally: an object's name may hold %, ?, # and slashes, and each means itself.
import type { ObjectLocation } from '../core/object.ts';
import { CliFailure, EXIT } from './exit-codes.ts';

/** The object an argument names. Throws a usage failure for anything but s3://bucket/key. */
export function parseS3Url(text: string): ObjectLocation {
  const match = /^s3:\/\/([^/]+)\/(.+)$/s.exec(text);
  const bucket = match?.[1];
  const key = match?.[2];
  if (bucket === undefined || key === undefined)
    throw new CliFailure(
      EXIT.usage,
      'invalid_object',
      `${JSON.stringify(text)} does not name an object.`,
      'Write s3://bucket/key; the key is taken as it is, nothing is decoded.',
    );
  return { bucket, key };
}
