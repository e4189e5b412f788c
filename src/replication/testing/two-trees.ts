// A source and a target with objects in every relation that two listings can show, made at random, and what a
// reconcile has to find in them: told by how each object was made, not by the code under test.
import { crc32c, crc32cToBase64 } from '../../core/checksum.ts';
import { compareKeys } from '../../core/key-order.ts';
import { mapMetadata } from '../../core/metadata-map.ts';
import type { ObjectLocation, SourceState, TargetMetadata } from '../../core/object.ts';
import { mapTarget, type Rule } from '../../core/rule.ts';
import { stampedMetadata, stampOf } from '../../core/stamp.ts';
import type { MemorySource } from '../../stores/memory/memory-source.ts';
import type { MemoryTarget } from '../../stores/memory/memory-target.ts';

const RELATIONS = [
  'equal',
  'missing',
  'older',
  'foreign',
  'rewritten',
  'edited',
  'orphan',
  'orphan_adopted',
  'orphan_rewritten',
  'not_ours',
] as const;

type Relation = (typeof RELATIONS)[number];

/** What is to be fed for an object that is so; null: nothing. Orphans only where deletes are mirrored. */
const FED_AS: Record<Relation, 'missing' | 'different' | 'orphan' | null> = {
  equal: null,
  missing: 'missing',
  older: 'different',
  foreign: 'different',
  rewritten: 'different',
  edited: 'different',
  orphan: 'orphan',
  orphan_adopted: null,
  orphan_rewritten: null,
  not_ours: null,
};

/** Parts of keys whose order in UTF-8 and in UTF-16 differs, and what stores and mappings trip over. */
const KEY_PARTS = [
  'a',
  'b',
  '/',
  '//',
  '.',
  '..',
  ' ',
  '+',
  '%2F',
  '\u0001',
  '~',
  'é',
  'e\u0301',
  '\ud7ff',
  '\ue000',
  '\uff5e',
  '\uffff',
  '😀',
  '\u{10ffff}',
];

/** Numbers in [0, 1) that are the same for the same seed (mulberry32). */
export function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export interface TwoTrees {
  /** What has to be fed, by key. */
  readonly expected: ReadonlyMap<string, 'missing' | 'different' | 'orphan'>;
  /** Source keys that the rule covers, in byte order. */
  readonly covered: readonly string[];
  /** Objects of ours at the target that the rule covers. */
  readonly held: number;
}

/** Fills both sides with about `count` objects below the rule's prefix, some of which its suffix leaves out. */
export function growTrees(options: {
  readonly source: MemorySource;
  readonly target: MemoryTarget;
  readonly rule: Rule;
  readonly bucket: string;
  readonly count: number;
  readonly random: () => number;
}): TwoTrees {
  const { source, target, rule, bucket, count, random } = options;
  const pick = <Item>(items: readonly Item[]): Item => items[Math.floor(random() * items.length)] as Item;
  const expected = new Map<string, 'missing' | 'different' | 'orphan'>();
  const covered: string[] = [];
  let held = 0;
  const keys = new Set<string>();
  while (keys.size < count) {
    const parts = Array.from({ length: 1 + Math.floor(random() * 5) }, () => pick(KEY_PARTS));
    keys.add(rule.source.prefix + parts.join('') + (random() < 0.8 ? rule.source.suffix : '.other'));
  }
  for (const key of keys) {
    const relation = pick(RELATIONS);
    const at: ObjectLocation = { bucket, key };
    makeRelation({ source, target, rule, at, relation });
    if (!key.endsWith(rule.source.suffix)) continue;
    const isAtSource = !relation.startsWith('orphan') && relation !== 'not_ours';
    if (isAtSource) covered.push(key);
    if (relation !== 'missing' && relation !== 'foreign' && relation !== 'not_ours') held += 1;
    const fedAs = FED_AS[relation];
    if (fedAs !== null && (fedAs !== 'orphan' || rule.deletes === 'mirror')) expected.set(key, fedAs);
  }
  return { expected, covered: covered.toSorted(compareKeys), held };
}

/** Puts one object so on both sides. */
export function makeRelation(options: {
  readonly source: MemorySource;
  readonly target: MemoryTarget;
  readonly rule: Rule;
  readonly at: ObjectLocation;
  readonly relation: Relation;
}): void {
  const { source, target, rule, at, relation } = options;
  const bytes = Buffer.from(`bytes of ${at.key}`);
  const place = mapTarget(rule, at);
  const written = source.put(at, bytes, { metadata: { user: { owner: 'ann' } } });
  const stamped = (state: SourceState, isAdopted = false): TargetMetadata =>
    metadataOf(rule, at, state, bytes, isAdopted);
  const other = Buffer.from(`others ${at.key}`);
  switch (relation) {
    case 'equal':
      target.foreignWrite(place, bytes, stamped(written));
      break;
    case 'missing':
      break;
    case 'older':
      target.foreignWrite(
        place,
        bytes,
        stamped({ ...written, lastModifiedMs: written.lastModifiedMs - 5000 }),
      );
      break;
    case 'foreign':
      target.foreignWrite(place, bytes);
      break;
    case 'rewritten':
      target.foreignWrite(place, other, stamped(written));
      break;
    case 'edited': {
      const { custom, ...rest } = stamped(written);
      target.foreignWrite(place, bytes, { ...rest, custom: { ...custom, owner: 'ben' } });
      break;
    }
    case 'orphan':
      target.foreignWrite(place, bytes, stamped(written));
      break;
    case 'orphan_adopted':
      target.foreignWrite(place, bytes, stamped(written, true));
      break;
    case 'orphan_rewritten':
      target.foreignWrite(place, other, stamped(written));
      break;
    case 'not_ours':
      target.foreignWrite(place, other);
      break;
  }
  if (relation.startsWith('orphan') || relation === 'not_ours') source.remove(at);
}

function metadataOf(
  rule: Rule,
  at: ObjectLocation,
  state: SourceState,
  bytes: Uint8Array,
  adopted: boolean,
): TargetMetadata {
  const { metadata, digest } = mapMetadata(state.metadata, rule.metadata);
  const stamp = stampOf({
    source: at,
    ruleName: rule.name,
    state,
    metadataDigest: digest,
    crc32c: crc32cToBase64(crc32c(bytes)),
    verified: 'source',
    adopted,
  });
  return stampedMetadata(metadata, stamp);
}
