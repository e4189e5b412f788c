import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compareListed } from './compare-listed.ts';
import { decide, type Decision, type DecideInput } from './decide.ts';
import { mapMetadata } from './metadata-map.ts';
import type { SourceState, TargetObject, TargetToken } from './object.ts';
import { stampedMetadata, stampOf } from './stamp.ts';
import { NO_SOURCE_METADATA, PLAIN_RULE } from './testing/samples.ts';

const TOKEN = '7/1' as TargetToken;
const SOURCE = { bucket: 'from', key: 'a b.txt' };
const MD5 = 'XrY7u+Ae7tCTyyK7j1rNww==';
const CRC = 'yZRlqg==';

const RULE = PLAIN_RULE;
const MIRROR = { ...RULE, deletes: 'mirror' } as const;

const STATE: SourceState = {
  etag: 'e1',
  versionId: null,
  sizeBytes: 11,
  lastModifiedMs: 1_700_000_000_000,
  md5: null,
  checksum: null,
  storageClass: 'STANDARD',
  metadata: { ...NO_SOURCE_METADATA, contentType: 'text/plain', user: { owner: 'ann' } },
};
const OTHER_METADATA: SourceState = { ...STATE, metadata: { ...STATE.metadata, user: { owner: 'ben' } } };

function targetOf(state: SourceState, change: Partial<TargetObject> = {}, stamp: object = {}): TargetObject {
  const mapped = mapMetadata(state.metadata, 'all');
  const own = stampOf({
    source: SOURCE,
    ruleName: 'default',
    state,
    metadataDigest: mapped.digest,
    crc32c: CRC,
    verified: 'transfer',
    adopted: false,
  });
  return {
    token: TOKEN,
    generation: '7',
    sizeBytes: state.sizeBytes,
    crc32c: CRC,
    md5: null,
    metadata: stampedMetadata(mapped.metadata, { ...own, ...stamp }),
    ...change,
  };
}

/** Somebody else's object: the same metadata, no stamp. */
function foreign(state: SourceState, change: Partial<TargetObject> = {}): TargetObject {
  return { ...targetOf(state), metadata: mapMetadata(state.metadata, 'all').metadata, ...change };
}

function run(input: Partial<DecideInput>): Decision {
  const rule = input.rule ?? RULE;
  const state = input.state === undefined ? STATE : input.state;
  return decide({
    source: SOURCE,
    target: null,
    receiptCrc32c: null,
    metadataDigest: state === null ? '' : mapMetadata(state.metadata, rule.metadata).digest,
    ...input,
    rule,
    state,
  });
}

const copyAtToken = { kind: 'copy', condition: TOKEN };
const update = (adopted: boolean, contentDiffers: boolean, verified: string): object => ({
  kind: 'update_metadata',
  token: TOKEN,
  adopted,
  contentDiffers,
  verified,
});

/** What the two looks show, and what follows: every case of the protocol's step 3. */
const CASES: Record<string, { readonly input: Partial<DecideInput>; readonly expected: object }> = {
  'both absent: gone': { input: { state: null }, expected: { kind: 'source_gone' } },
  'absent source, our copy, deletes ignored: gone, nothing is touched': {
    input: { state: null, target: targetOf(STATE) },
    expected: { kind: 'source_gone' },
  },
  'absent source, our copy, deletes mirrored: delete at its token': {
    input: { rule: MIRROR, state: null, target: targetOf(STATE) },
    expected: { kind: 'delete', token: TOKEN },
  },
  'absent source, bytes that somebody rewrote under our stamp: not what we wrote, never deleted': {
    input: { rule: MIRROR, state: null, target: targetOf(STATE, { sizeBytes: 5 }) },
    expected: { kind: 'source_gone' },
  },
  'absent source, our bytes under metadata that somebody edited: deleted at its token': {
    input: {
      rule: MIRROR,
      state: null,
      target: targetOf(STATE, { metadata: { ...targetOf(STATE).metadata, contentType: 'text/html' } }),
    },
    expected: { kind: 'delete', token: TOKEN },
  },
  'adopted by size, the stamp is renewed: still only the size is known': {
    input: {
      state: { ...STATE, versionId: 'v2' },
      target: targetOf(STATE, {}, { adopted: true, verified: 'size' }),
    },
    expected: update(true, false, 'size'),
  },
  'absent source, foreign object: never deleted': {
    input: { rule: MIRROR, state: null, target: foreign(STATE) },
    expected: { kind: 'source_gone' },
  },
  'absent source, adopted object: never deleted': {
    input: { rule: MIRROR, state: null, target: targetOf(STATE, {}, { adopted: true }) },
    expected: { kind: 'source_gone' },
  },
  'absent source, an object whose delete was rejected: never deleted': {
    input: { rule: MIRROR, state: null, target: targetOf(STATE, {}, { adopted: true, isKept: true }) },
    expected: { kind: 'source_gone' },
  },
  'an object whose delete was rejected is at the source again: the mark goes, no byte moves': {
    input: { rule: MIRROR, target: targetOf(STATE, {}, { adopted: true, isKept: true }) },
    expected: update(false, false, 'transfer'),
  },
  'absent source, stamp of another source object: never deleted': {
    input: { rule: MIRROR, state: null, target: targetOf(STATE, {}, { source: 'from/other' }) },
    expected: { kind: 'source_gone' },
  },
  'absent target: copy where nothing is': { input: {}, expected: { kind: 'copy', condition: 'absent' } },
  'other bytes: copy at the token': {
    input: { state: { ...STATE, etag: 'e2' }, target: targetOf(STATE) },
    expected: copyAtToken,
  },
  'another size under the same ETag: copy': {
    input: { state: { ...STATE, sizeBytes: 12 }, target: targetOf(STATE) },
    expected: copyAtToken,
  },
  'same bytes put again (new time): only the stamp is renewed': {
    input: { state: { ...STATE, lastModifiedMs: STATE.lastModifiedMs + 1000 }, target: targetOf(STATE) },
    expected: update(false, false, 'transfer'),
  },
  'same bytes under a new version id: only the stamp is renewed': {
    input: { state: { ...STATE, versionId: 'v2' }, target: targetOf(STATE) },
    expected: update(false, false, 'transfer'),
  },
  'same bytes, other metadata in the same second: metadata is updated': {
    input: { state: OTHER_METADATA, target: targetOf(STATE) },
    expected: update(false, true, 'transfer'),
  },
  'an adopted object keeps its mark when the stamp is renewed': {
    input: { state: { ...STATE, versionId: 'v2' }, target: targetOf(STATE, {}, { adopted: true }) },
    expected: update(true, false, 'transfer'),
  },
  'our stamp on bytes of another size: the stamp proves nothing, copy': {
    input: { target: targetOf(STATE, { sizeBytes: 4 }) },
    expected: copyAtToken,
  },
  'our stamp on bytes of another CRC32C: copy': {
    input: { target: targetOf(STATE, { crc32c: 'AAAAAA==' }) },
    expected: copyAtToken,
  },
  'a stamp without CRC32C, the receipt of this generation has another one: copy': {
    input: { target: targetOf(STATE, {}, { crc32c: null }), receiptCrc32c: 'AAAAAA==' },
    expected: copyAtToken,
  },
  'metadata edited by somebody under our stamp: copy': {
    input: {
      target: targetOf(STATE, {
        metadata: { ...targetOf(STATE).metadata, contentType: 'text/html' },
      }),
    },
    expected: copyAtToken,
  },
  'metadata edited by somebody, equal MD5: metadata is repaired': {
    input: {
      state: { ...STATE, md5: MD5 },
      target: targetOf(STATE, {
        md5: MD5,
        metadata: { ...targetOf(STATE).metadata, contentType: 'text/html' },
      }),
    },
    expected: update(false, true, 'source'),
  },
  'another ETag, equal MD5: no byte moves': {
    input: { state: { ...STATE, etag: 'e2', md5: MD5 }, target: targetOf(STATE, { md5: MD5 }) },
    expected: update(false, false, 'source'),
  },
  'another ETag, equal CRC only: a CRC alone proves nothing, copy': {
    input: {
      state: { ...STATE, etag: 'e2', checksum: { algorithm: 'crc32c', value: CRC, kind: 'full_object' } },
      target: targetOf(STATE, {}, { checksum: `crc32c:${CRC}` }),
    },
    expected: copyAtToken,
  },
  'another ETag, equal SHA-256 in stamp and source: no byte moves': {
    input: {
      state: { ...STATE, etag: 'e2', checksum: { algorithm: 'sha256', value: 'x', kind: 'full_object' } },
      target: targetOf(STATE, {}, { checksum: 'sha256:x', verified: 'source' }),
    },
    expected: update(false, false, 'source'),
  },
  'a composite checksum is not compared: copy': {
    input: {
      state: { ...STATE, etag: 'e2', checksum: { algorithm: 'sha256', value: 'x', kind: 'composite' } },
      target: targetOf(STATE, {}, { checksum: 'sha256:x' }),
    },
    expected: copyAtToken,
  },
  'foreign, equal MD5: adopted': {
    input: { state: { ...STATE, md5: MD5 }, target: foreign(STATE, { md5: MD5 }) },
    expected: update(true, false, 'source'),
  },
  'foreign, nothing comparable, adopt by checksum: copy again': {
    input: { target: foreign(STATE) },
    expected: copyAtToken,
  },
  'foreign, nothing comparable, adopt by size: adopted': {
    input: { rule: { ...RULE, adopt: 'size' }, target: foreign(STATE) },
    expected: update(true, false, 'size'),
  },
  'foreign, other size, adopt by size: copy': {
    input: { rule: { ...RULE, adopt: 'size' }, target: foreign(STATE, { sizeBytes: 4 }) },
    expected: copyAtToken,
  },
  'foreign, equal size but another MD5, adopt by size: proved different, copy': {
    input: {
      rule: { ...RULE, adopt: 'size' },
      state: { ...STATE, md5: MD5 },
      target: foreign(STATE, { md5: 'AAAA' }),
    },
    expected: copyAtToken,
  },
  'foreign, equal MD5, adopt never: copy': {
    input: {
      rule: { ...RULE, adopt: 'never' },
      state: { ...STATE, md5: MD5 },
      target: foreign(STATE, { md5: MD5 }),
    },
    expected: copyAtToken,
  },
  'stamp of another source object, equal MD5: adopted as foreign': {
    input: {
      state: { ...STATE, md5: MD5 },
      target: targetOf(STATE, { md5: MD5 }, { source: 'from/other' }),
    },
    expected: update(true, false, 'source'),
  },
};

for (const [name, { input, expected }] of Object.entries(CASES)) {
  test(name, () => {
    assert.deepEqual(run(input), expected);
  });
}

test('our sound stamp of exactly this state: nothing to do', () => {
  assert.equal(run({ target: targetOf(STATE) }).kind, 'agree');
});

test('a stamp without CRC32C and no receipt of this generation: the size alone decides', () => {
  assert.equal(run({ target: targetOf(STATE, {}, { crc32c: null }) }).kind, 'agree');
});

test('the rule name in the stamp means nothing', () => {
  assert.equal(run({ target: targetOf(STATE, {}, { ruleName: 'renamed since' }) }).kind, 'agree');
});

test('a listing sees an object whose delete was rejected: differing where the source has it again, else left alone', () => {
  const kept = targetOf(STATE, {}, { adopted: true, isKept: true });
  const { etag, sizeBytes, lastModifiedMs } = STATE;
  const entry = { key: SOURCE.key, etag, sizeBytes, lastModifiedMs };
  assert.deepEqual(compareListed(MIRROR, SOURCE, entry, kept), { kind: 'different', because: 'state' });
  assert.deepEqual(compareListed(MIRROR, SOURCE, entry, targetOf(STATE)), { kind: 'equal' });
  assert.deepEqual(compareListed(MIRROR, SOURCE, null, kept), { kind: 'orphan', isDeletable: false });
});
