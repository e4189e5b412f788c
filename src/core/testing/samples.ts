// A rule and metadata without anything special, for tests to vary.
import type { SourceMetadata } from '../object.ts';
import type { BrakeLimits } from '../delete-brake.ts';
import type { Rule } from '../rule.ts';

/** A brake that no test trips by accident. */
const WIDE_BRAKE: BrakeLimits = { count: 1_000_000, sharePercent: 100, windowMs: 3_600_000 };

export const PLAIN_RULE: Rule = {
  name: 'default',
  source: { bucket: 'from', prefix: '', suffix: '', expectedOwner: null },
  target: {
    bucket: 'to',
    prefix: '',
    stripPrefix: '',
    prependBucket: false,
    storageClass: null,
    kmsKeyName: null,
  },
  deletes: 'ignore',
  deleteBrake: WIDE_BRAKE,
  adopt: 'checksum',
  verify: 'source',
  metadata: 'all',
};

export const NO_SOURCE_METADATA: SourceMetadata = {
  contentType: null,
  cacheControl: null,
  contentDisposition: null,
  contentLanguage: null,
  contentEncoding: null,
  expires: null,
  websiteRedirectLocation: null,
  user: {},
};
