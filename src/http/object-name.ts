// What counts as a bucket and a key in a request. A key is taken literally and judged by its UTF-8 bytes, as the
// stores do; whether a rule covers it is not decided here.
import { z } from 'zod';

const MAX_KEY_BYTES = 1024;

function missingOrNoString({ input }: { readonly input: unknown }): string {
  return input === undefined ? 'is missing' : 'must be a string';
}

export const BucketSchema = z
  .string({ error: missingOrNoString })
  .min(1, 'must not be empty')
  .max(255, 'must be at most 255 characters long')
  .meta({ description: 'Name of the source bucket.', examples: ['photos'] });

export const KeySchema = z
  .string({ error: missingOrNoString })
  .min(1, 'must not be empty')
  .refine((key) => key.isWellFormed(), 'must be well-formed Unicode, without lone surrogates')
  .refine(
    (key) => Buffer.byteLength(key) <= MAX_KEY_BYTES,
    `must be at most ${MAX_KEY_BYTES} bytes long in UTF-8`,
  )
  .meta({
    description: 'Key of the source object, literally: nothing is decoded. 1 to 1,024 bytes in UTF-8.',
    examples: ['2026/11/a b.jpg'],
  });
