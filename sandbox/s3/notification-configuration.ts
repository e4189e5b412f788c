// The notification configuration of a bucket: read from and written as XML, with what S3 refuses in one.
import { randomBytes } from 'node:crypto';
import { S3Error } from './errors.ts';
import { childNodes, childText, childTexts, hasChild, type XmlNode } from './xml-reader.ts';
import { group, root, text } from './xml.ts';

/** By the name of the element that holds the destination's ARN. */
export type DestinationKind = 'Topic' | 'Queue' | 'CloudFunction';

export interface NotificationRule {
  readonly id: string;
  readonly kind: DestinationKind;
  readonly arn: string;
  /** As they were given, `s3:` and wildcards included. */
  readonly events: readonly string[];
  /** Null where there is no such filter rule. */
  readonly prefix: string | null;
  readonly suffix: string | null;
}

export interface NotificationConfiguration {
  readonly rules: readonly NotificationRule[];
  /** Every change also goes to the account's event bus. */
  readonly eventBridge: boolean;
}

export const emptyConfiguration: NotificationConfiguration = { rules: [], eventBridge: false };

const kinds = ['Topic', 'Queue', 'CloudFunction'] as const;
const serviceOf: Readonly<Record<DestinationKind, string>> = {
  Topic: 'sns',
  Queue: 'sqs',
  CloudFunction: 'lambda',
};
const knownEvents = new Set([
  's3:ObjectCreated:*',
  's3:ObjectCreated:Put',
  's3:ObjectCreated:Post',
  's3:ObjectCreated:Copy',
  's3:ObjectCreated:CompleteMultipartUpload',
  's3:ObjectRemoved:*',
  's3:ObjectRemoved:Delete',
  's3:ObjectRemoved:DeleteMarkerCreated',
  's3:ObjectRestore:*',
  's3:ObjectRestore:Post',
  's3:ObjectRestore:Completed',
  's3:ObjectRestore:Delete',
  's3:ReducedRedundancyLostObject',
  's3:Replication:*',
  's3:Replication:OperationFailedReplication',
  's3:Replication:OperationMissedThreshold',
  's3:Replication:OperationReplicatedAfterThreshold',
  's3:Replication:OperationNotTracked',
  's3:LifecycleExpiration:*',
  's3:LifecycleExpiration:Delete',
  's3:LifecycleExpiration:DeleteMarkerCreated',
  's3:LifecycleTransition',
  's3:IntelligentTiering',
  's3:ObjectTagging:*',
  's3:ObjectTagging:Put',
  's3:ObjectTagging:Delete',
  's3:ObjectAcl:Put',
]);

/** Whether the filter of a rule lets a change pass. `eventName` is without `s3:`. */
export function ruleMatches(rule: NotificationRule, eventName: string, key: string): boolean {
  return (
    rule.events.some((event) => covers(event, `s3:${eventName}`)) &&
    key.startsWith(rule.prefix ?? '') &&
    key.endsWith(rule.suffix ?? '')
  );
}

/** Reads a configuration. Throws what S3 answers to one that it does not accept, whatever the destinations are. */
export function readConfiguration(parsed: XmlNode): NotificationConfiguration {
  const rules = kinds.flatMap((kind) =>
    childNodes(parsed, `${kind}Configuration`).map((node) => readRule(kind, node)),
  );
  for (const rule of rules)
    if (rules.some((other) => other !== rule && other.id === rule.id))
      throw invalid('Same ID used for multiple configurations. IDs must be unique', 'Id', rule.id);
  for (const [index, rule] of rules.entries())
    if (rules.slice(index + 1).some((other) => isAmbiguous(rule, other)))
      throw new S3Error('InvalidArgument', {
        message:
          'Configuration is ambiguously defined. Cannot have overlapping suffixes in two rules if the prefixes are overlapping for the same event type.',
      });
  return { rules, eventBridge: hasChild(parsed, 'EventBridgeConfiguration') };
}

/** The document that a client is shown. */
export function writeConfiguration({ rules, eventBridge }: NotificationConfiguration): string {
  const written = rules.map((rule) => {
    const filters = [
      ...(rule.prefix === null ? [] : [filterRule('Prefix', rule.prefix)]),
      ...(rule.suffix === null ? [] : [filterRule('Suffix', rule.suffix)]),
    ];
    return group(
      `${rule.kind}Configuration`,
      text('Id', rule.id),
      text(rule.kind, rule.arn),
      ...rule.events.map((event) => text('Event', event)),
      ...(filters.length === 0 ? [] : [group('Filter', group('S3Key', ...filters))]),
    );
  });
  return root(
    'NotificationConfiguration',
    ...written,
    ...(eventBridge ? [group('EventBridgeConfiguration')] : []),
  );
}

function filterRule(name: 'Prefix' | 'Suffix', value: string): string {
  return group('FilterRule', text('Name', name), text('Value', value));
}

function readRule(kind: DestinationKind, node: XmlNode): NotificationRule {
  const arn = childText(node, kind)?.trim() ?? '';
  if (!new RegExp(`^arn:aws:${serviceOf[kind]}:[a-z0-9-]+:\\d{12}:.+$`).test(arn))
    throw invalid('The ARN could not be parsed', kind, arn);
  if (kind !== 'CloudFunction' && arn.endsWith('.fifo'))
    throw invalid(`FIFO ${kind === 'Queue' ? 'SQS queues' : 'SNS topics'} are not supported.`, kind, arn);
  const events = childTexts(node, 'Event').map((event) => event.trim());
  if (events.length === 0) throw new S3Error('MalformedXML');
  const unknown = events.find((event) => !knownEvents.has(event));
  if (unknown !== undefined) throw invalid('The event is not supported for notifications', 'Event', unknown);
  const id = childText(node, 'Id')?.trim() ?? '';
  if (id.length > 255) throw invalid('ID must be 255 characters or fewer.', 'Id', id);
  return {
    id: id === '' ? randomBytes(36).toString('base64') : id,
    kind,
    arn,
    events,
    ...readFilter(node),
  };
}

function readFilter(node: XmlNode): Pick<NotificationRule, 'prefix' | 'suffix'> {
  const found: { prefix: string | null; suffix: string | null } = { prefix: null, suffix: null };
  const keys = childNodes(node, 'Filter').flatMap((filter) => childNodes(filter, 'S3Key'));
  for (const rule of keys.flatMap((key) => childNodes(key, 'FilterRule'))) {
    const given = childText(rule, 'Name') ?? '';
    const name = given.toLowerCase();
    if (name !== 'prefix' && name !== 'suffix')
      throw invalid('filter rule name must be either prefix or suffix', 'FilterRule.Name', given);
    if (found[name] !== null)
      throw invalid(`Cannot specify more than one ${name} rule in a filter.`, 'FilterRule.Name', name);
    const value = childText(rule, 'Value') ?? '';
    if (Buffer.byteLength(value) > 1024)
      throw invalid(
        'Size of filter rule value cannot exceed 1024 bytes in UTF-8 representation',
        'FilterRule.Value',
        value,
      );
    found[name] = value;
  }
  return found;
}

/** Two rules of which one change could mean both. An absent filter lets everything pass, hence overlaps with any other. */
function isAmbiguous(one: NotificationRule, other: NotificationRule): boolean {
  const [onePrefix, otherPrefix] = [one.prefix ?? '', other.prefix ?? ''];
  const [oneSuffix, otherSuffix] = [one.suffix ?? '', other.suffix ?? ''];
  return (
    one.events.some((event) =>
      other.events.some((another) => covers(event, another) || covers(another, event)),
    ) &&
    (onePrefix.startsWith(otherPrefix) || otherPrefix.startsWith(onePrefix)) &&
    (oneSuffix.endsWith(otherSuffix) || otherSuffix.endsWith(oneSuffix))
  );
}

function covers(event: string, other: string): boolean {
  return event === other || (event.endsWith(':*') && other.startsWith(event.slice(0, -1)));
}

function invalid(message: string, argument: string, value: string): S3Error {
  return new S3Error('InvalidArgument', {
    message,
    elements: { ArgumentName: argument, ArgumentValue: value },
  });
}
