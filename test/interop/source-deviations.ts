// Where the independent S3 servers differ from the real service, one line per check of the contract that cannot run
// there. Each was seen to fail for the reason given; a check is skipped or runs as it is, never with less to assert.
import type { ObjectSourceCheck } from '../contract/object-source.contract.ts';

export type SourceDeviations = Readonly<Partial<Record<ObjectSourceCheck, string>>>;

const FILE_OR_FOLDER = 'A key and a key below it cannot both exist: one would be a file and a folder.';
const RESOLVED = 'It resolves the key as a path, so that several keys are one object.';
const RAW_LIST = 'It lists keys unencoded although asked to encode them, and replaces what XML cannot hold.';
const ASCII_PAGES =
  'It answers 500 to its own page token where a key is not ASCII, and compares encoded keys with plain ones.';

/** versitygw 1.8.0 on a folder: keys are paths, so some names cannot be kept apart. */
export const VERSITYGW: SourceDeviations = {
  'a list has every key once, in byte order, page by page': FILE_OR_FOLDER,
  'a list behind a name has what comes after it in byte order, page by page': FILE_OR_FOLDER,
  'keys with dot segments are not resolved': RESOLVED,
  'keys with empty segments keep them': RESOLVED,
  'a slash or dots at the beginning of a key are kept': RESOLVED,
  'absence is that of the very key': RESOLVED,
  'a trailing slash makes another key': FILE_OR_FOLDER,
  'a key of 1,024 bytes is kept': 'One segment of a key has at most 255 bytes.',
  'keys of every length of UTF-8 are kept': RAW_LIST,
  'keys with control characters are kept': RAW_LIST,
};

/** LocalStack 2026.3.0. */
export const LOCALSTACK: SourceDeviations = {
  'a list has every key once, in byte order, page by page': ASCII_PAGES,
  'a list behind a name has what comes after it in byte order, page by page': ASCII_PAGES,
  'composed and decomposed letters are different keys': ASCII_PAGES,
  'keys of every length of UTF-8 are kept': ASCII_PAGES,
  'a slash or dots at the beginning of a key are kept': ASCII_PAGES,
};
