// Both sides as they are now, held against each other object by object: bytes, content type, user metadata.
import { isDeepStrictEqual } from 'node:util';
import type { TwoClouds } from '../../sandbox/two-clouds.ts';
import { STAMP_PREFIX } from '../../src/core/metadata-map.ts';
import type { DeletePolicy } from '../crash/ledger.ts';
import { SOURCE_BUCKET, TARGET_BUCKET } from '../system/service-under-test.ts';

export interface Comparison {
  /** Keys whose two sides are equal. */
  readonly equal: number;
  /** Keys that the source deleted and the target keeps; with mirrored deletes they are differences. */
  readonly kept: number;
  readonly differences: readonly { readonly key: string; readonly what: string }[];
}

/** Compares every object of the source bucket with the target, and the target with the source. */
export function compareSides({ s3, gcs }: TwoClouds, deletes: DeletePolicy): Comparison {
  const differences: { key: string; what: string }[] = [];
  const keys = s3.listKeys(SOURCE_BUCKET);
  for (const key of keys) {
    const source = s3.getObject(SOURCE_BUCKET, key);
    const target = gcs.getObject(TARGET_BUCKET, key);
    if (source === null) continue;
    if (target === null) {
      differences.push({ key, what: 'not at the target' });
      continue;
    }
    const custom = Object.fromEntries(
      Object.entries(target.metadata).filter(([name]) => !name.startsWith(STAMP_PREFIX)),
    );
    if (!target.read().equals(source.bytes)) differences.push({ key, what: 'the bytes differ' });
    else if (target.resource['contentType'] !== source.systemHeaders['content-type'])
      differences.push({ key, what: 'the content types differ' });
    else if (!isDeepStrictEqual(custom, { ...source.metadata }))
      differences.push({ key, what: 'the user metadata differ' });
  }
  const present = new Set(keys);
  const onlyAtTarget = gcs.objects(TARGET_BUCKET).filter(({ name }) => !present.has(name));
  if (deletes === 'mirror')
    differences.push(...onlyAtTarget.map(({ name }) => ({ key: name, what: 'only at the target' })));
  return {
    equal: keys.length - new Set(differences.map(({ key }) => key)).size,
    kept: deletes === 'mirror' ? 0 : onlyAtTarget.length,
    differences,
  };
}
