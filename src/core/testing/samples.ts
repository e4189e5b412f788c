// A rule and metadata without anything special, for tests to vary.
import type { SourceMetadata } from '../object.ts';
import type { Rule } from '../rule.ts';

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
