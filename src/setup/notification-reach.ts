// Which events of which objects a notification entry reaches, and whether two entries reach the same: S3 refuses two
// entries of one bucket that share an event type while both their prefixes and their suffixes can hold for one key.
import type { FilterRule, NotificationEntry } from '../core/bucket-notifications.ts';

/** Beginning and end of the keys, as they are in the bucket. */
export interface KeyFilter {
  readonly prefix: string;
  readonly suffix: string;
}

export interface Reach {
  readonly events: readonly string[];
  readonly filter: KeyFilter;
}

/** What stands for all of its kind where every single one is named. */
const ALL_OF_KIND: Readonly<Record<string, readonly string[]>> = {
  's3:ObjectCreated:*': [
    's3:ObjectCreated:Put',
    's3:ObjectCreated:Post',
    's3:ObjectCreated:Copy',
    's3:ObjectCreated:CompleteMultipartUpload',
  ],
  's3:ObjectRemoved:*': ['s3:ObjectRemoved:Delete', 's3:ObjectRemoved:DeleteMarkerCreated'],
  's3:LifecycleExpiration:*': ['s3:LifecycleExpiration:Delete', 's3:LifecycleExpiration:DeleteMarkerCreated'],
};

/** The events and keys of an entry. */
export function reachOf(entry: NotificationEntry): Reach {
  return { events: entry.events, filter: filterOf(entry.filterRules ?? []) };
}

function filterOf(rules: readonly FilterRule[]): KeyFilter {
  const valueOf = (name: string): string =>
    decodeFilterValue(rules.find((rule) => rule.name.toLowerCase() === name)?.value ?? '');
  return { prefix: valueOf('prefix'), suffix: valueOf('suffix') };
}

/** Null where the filter lets every key pass. */
export function filterRulesOf({ prefix, suffix }: KeyFilter): readonly FilterRule[] | null {
  const rules = [
    { name: 'prefix', value: encodeFilterValue(prefix) },
    { name: 'suffix', value: encodeFilterValue(suffix) },
  ].filter(({ value }) => value !== '');
  return rules.length === 0 ? null : rules;
}

/** S3 wants a space as `+` and every character that is not safe percent-encoded. */
function encodeFilterValue(text: string): string {
  return encodeURIComponent(text).replaceAll('%2F', '/').replaceAll('%20', '+').replaceAll('~', '%7E');
}

/** A value that is not encoded as it should be is taken as it is. */
function decodeFilterValue(value: string): string {
  try {
    return decodeURIComponent(value.replaceAll('+', ' '));
  } catch {
    return value;
  }
}

/** The event types of `a` that `b` announces too, as `a` writes them. */
export function sharedEvents(a: readonly string[], b: readonly string[]): readonly string[] {
  return a.filter((mine) => b.some((other) => includesEvent(mine, other) || includesEvent(other, mine)));
}

/** True where there may be a key that passes both filters. */
export function filtersMeet(a: KeyFilter, b: KeyFilter): boolean {
  const prefixesMeet = a.prefix.startsWith(b.prefix) || b.prefix.startsWith(a.prefix);
  const suffixesMeet = a.suffix.endsWith(b.suffix) || b.suffix.endsWith(a.suffix);
  return prefixesMeet && suffixesMeet;
}

/** True where S3 would not keep both beside each other. */
export function reachesOverlap(a: Reach, b: Reach): boolean {
  return filtersMeet(a.filter, b.filter) && sharedEvents(a.events, b.events).length > 0;
}

/** True where `wide` announces everything that `narrow` does. */
export function reachCovers(wide: Reach, narrow: Reach): boolean {
  const isFilterCovered =
    narrow.filter.prefix.startsWith(wide.filter.prefix) && narrow.filter.suffix.endsWith(wide.filter.suffix);
  return isFilterCovered && narrow.events.every((event) => announces(wide.events, event));
}

function announces(events: readonly string[], wanted: string): boolean {
  if (events.some((event) => includesEvent(event, wanted))) return true;
  return ALL_OF_KIND[wanted]?.every((single) => events.includes(single)) ?? false;
}

/** True where the type `wide` is `narrow`, or stands for it with its star. */
function includesEvent(wide: string, narrow: string): boolean {
  return wide === narrow || (wide.endsWith(':*') && narrow.startsWith(wide.slice(0, -1)));
}

/** The smallest reach of one entry that covers both. */
export function unionOfReaches(a: Reach, b: Reach): Reach {
  return {
    events: [...a.events, ...b.events.filter((event) => !announces(a.events, event))],
    filter: {
      prefix: commonStart(a.filter.prefix, b.filter.prefix),
      suffix: reversed(commonStart(reversed(a.filter.suffix), reversed(b.filter.suffix))),
    },
  };
}

function commonStart(a: string, b: string): string {
  const charactersA = Array.from(a);
  const charactersB = Array.from(b);
  const differsAt = charactersA.findIndex((character, index) => character !== charactersB[index]);
  return differsAt < 0 ? a : charactersA.slice(0, differsAt).join('');
}

function reversed(text: string): string {
  return Array.from(text).toReversed().join('');
}
