// Backfill: what a rule covers and what is at the source already, page by page, whatever the target holds. Which rules
// a request means is decided here too.
import type { ObjectSource, SourceListEntry } from '../core/object-source.ts';
import type { Rule } from '../core/rule.ts';
import { ruleMatches } from '../core/rule.ts';
import { readNames } from './read-names.ts';
import type { RunScope, ScanPage } from './run.ts';

/** What a scan lists: keys of one bucket below a prefix, behind `after`; null: from the first one on. */
export interface ScanRequest {
  readonly rule: Rule;
  readonly bucket: string;
  readonly prefix: string;
  readonly after: string | null;
}

/** The objects that the rule covers, in steps of one page each. Throws the faults of the source. */
export async function* scanExisting(
  source: ObjectSource,
  { rule, bucket, prefix, after }: ScanRequest,
  signal: AbortSignal,
): AsyncGenerator<ScanPage> {
  const isCovered = ({ key }: SourceListEntry): boolean => ruleMatches(rule, { bucket, key });
  for await (const page of readNames(source, { bucket, prefix, after }, signal)) {
    const last = page.at(-1);
    if (last === undefined) continue;
    const covered = page.filter(isCovered);
    yield {
      after: last.key,
      found: covered.map(({ key, sizeBytes }) => ({ key, sizeBytes, kind: 'existing', isFresh: false })),
      counts: { listed: covered.length },
    };
  }
}

/** The scopes that a request means, or why it means none. */
export type ChosenScopes =
  | { readonly kind: 'chosen'; readonly scopes: readonly RunScope[] }
  | { readonly kind: 'no_rule'; readonly detail: string }
  | { readonly kind: 'unclear'; readonly detail: string };

/** Each rule that covers a part of what is asked for, with that part. */
export function chooseBackfill(
  rules: readonly Rule[],
  asked: {
    readonly rule?: string | undefined;
    readonly bucket?: string | undefined;
    readonly prefix: string;
  },
): ChosenScopes {
  const { rule: name, bucket, prefix } = asked;
  const named = name === undefined ? rules : rules.filter((rule) => rule.name === name);
  if (named.length === 0) return noRule(`rule: there is no rule "${name ?? ''}".`);
  if (name === undefined && bucket === undefined && rules.length > 1)
    return unclear(`rule: name one of ${rules.map((rule) => `"${rule.name}"`).join(', ')}, or a bucket.`);
  const inBucket = named.filter(
    ({ source }) => bucket === undefined || source.bucket === '*' || source.bucket === bucket,
  );
  if (inBucket.length === 0) return noRule(`bucket: "${bucket ?? ''}" belongs to no rule that is meant.`);
  const scopes: RunScope[] = [];
  for (const rule of inBucket) {
    const listed = bucket ?? rule.source.bucket;
    if (listed === '*') return unclear(`bucket: the rule "${rule.name}" is for every bucket: name one.`);
    const common = commonPrefix(rule.source.prefix, prefix);
    if (common !== null) scopes.push({ ruleName: rule.name, buckets: [listed], prefix: common });
  }
  if (scopes.length > 0) return { kind: 'chosen', scopes };
  return noRule(`prefix: no rule that is meant covers a key that begins with ${JSON.stringify(prefix)}.`);
}

function noRule(detail: string): ChosenScopes {
  return { kind: 'no_rule', detail };
}

function unclear(detail: string): ChosenScopes {
  return { kind: 'unclear', detail };
}

/** What begins with both begins with the longer one, or there is nothing. */
function commonPrefix(a: string, b: string): string | null {
  if (a.startsWith(b)) return a;
  return b.startsWith(a) ? b : null;
}
