// What the rules of a bucket need to be told of, as entries that can stand beside each other: rules whose objects
// overlap share one entry that covers them all, because S3 keeps no two entries that overlap.
import type { DestinationKind, NotificationEntry } from '../core/bucket-notifications.ts';
import type { Rule } from '../core/rule.ts';
import { filterRulesOf, type Reach, reachesOverlap, unionOfReaches } from './notification-reach.ts';

/** Every entry of ours has an id that begins so; nobody else's does. */
export const OWN_ID_PREFIX = 'cross-cloud-replicator-';

/** Where notifications are to go. */
export interface Destination {
  readonly kind: DestinationKind;
  readonly arn: string;
}

export interface WantedEntry {
  readonly entry: NotificationEntry;
  readonly reach: Reach;
  /** The rules that it is for. */
  readonly ruleNames: readonly string[];
}

const ALWAYS = ['s3:ObjectCreated:*', 's3:ObjectRestore:Completed'];
const FOR_MIRRORED_DELETES = ['s3:ObjectRemoved:*', 's3:LifecycleExpiration:*'];

/** The event types that a rule needs. */
function eventsOf(rule: Rule): readonly string[] {
  return rule.deletes === 'mirror' ? [...ALWAYS, ...FOR_MIRRORED_DELETES] : ALWAYS;
}

/** The events and keys that a rule needs. */
export function reachOfRule(rule: Rule): Reach {
  const { prefix, suffix } = rule.source;
  return { events: eventsOf(rule), filter: { prefix, suffix } };
}

/** The rules that cover objects of this bucket. */
export function rulesOfBucket(rules: readonly Rule[], bucket: string): readonly Rule[] {
  return rules.filter(({ source }) => source.bucket === bucket || source.bucket === '*');
}

/** The entries that these rules, all of one bucket, need. No two of them overlap. */
export function wantedEntries(rules: readonly Rule[], destination: Destination): readonly WantedEntry[] {
  let groups: { readonly reach: Reach; readonly ruleNames: readonly string[] }[] = [];
  for (const rule of rules) {
    let joined = { reach: reachOfRule(rule), ruleNames: [rule.name] as readonly string[] };
    // A wider reach may meet groups that neither of its parts met.
    for (;;) {
      const { reach } = joined;
      const met = groups.find((group) => reachesOverlap(group.reach, reach));
      if (met === undefined) break;
      groups = groups.filter((group) => group !== met);
      joined = {
        reach: unionOfReaches(met.reach, reach),
        ruleNames: [...met.ruleNames, ...joined.ruleNames],
      };
    }
    groups.push(joined);
  }
  return groups.map(({ reach, ruleNames }) => ({
    reach,
    ruleNames,
    entry: {
      ...destination,
      id: `${OWN_ID_PREFIX}${ruleNames[0] ?? ''}`,
      events: reach.events,
      filterRules: filterRulesOf(reach.filter),
    },
  }));
}

/** True for an entry that this command made. */
export function isOwnEntry(entry: NotificationEntry): boolean {
  return entry.id?.startsWith(OWN_ID_PREFIX) === true;
}
