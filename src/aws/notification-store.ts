// The S3 driver of the NotificationStore port. Everything that the API shows of an entry goes in and out unchanged,
// so that entries of others come out of a rewrite as they were.
import type {
  LambdaFunctionConfiguration,
  NotificationConfiguration,
  QueueConfiguration,
  TopicConfiguration,
} from '@aws-sdk/client-s3';
import type {
  BucketNotifications,
  DestinationKind,
  NotificationEntry,
  NotificationsWritten,
  NotificationStore,
  RefusedDestination,
} from '../core/bucket-notifications.ts';
import type { S3Calls, S3Refusal } from './s3-calls.ts';

/** The notifications of buckets, over an open client. */
export function openNotificationStore(calls: S3Calls): NotificationStore {
  const { GetBucketNotificationConfigurationCommand, PutBucketNotificationConfigurationCommand } = calls.sdk;
  return {
    async read(bucket, signal) {
      const subject = { permission: 's3:GetBucketNotification', bucket, key: null } as const;
      const command = new GetBucketNotificationConfigurationCommand(calls.addressOf(bucket));
      return documentOf(
        await calls.ask(subject, async (client, options) => client.send(command, options), signal),
      );
    },
    async write(bucket, notifications, signal) {
      const subject = { permission: 's3:PutBucketNotification', bucket, key: null } as const;
      const command = new PutBucketNotificationConfigurationCommand({
        ...calls.addressOf(bucket),
        NotificationConfiguration: configurationOf(notifications),
      });
      return calls.ask<NotificationsWritten>(
        subject,
        async (client, options) => {
          await client.send(command, options);
          return { kind: 'written' };
        },
        signal,
        refusedWrite,
      );
    },
  };
}

interface Common {
  readonly Id?: string | undefined;
  readonly Events: readonly string[] | undefined;
  readonly Filter?: QueueConfiguration['Filter'];
}

function documentOf(configuration: NotificationConfiguration): BucketNotifications {
  const { LambdaFunctionConfigurations, QueueConfigurations, TopicConfigurations } = configuration;
  return {
    entries: [
      ...(LambdaFunctionConfigurations ?? []).map((one) => entryOf('function', one.LambdaFunctionArn, one)),
      ...(QueueConfigurations ?? []).map((one) => entryOf('queue', one.QueueArn, one)),
      ...(TopicConfigurations ?? []).map((one) => entryOf('topic', one.TopicArn, one)),
    ],
    hasEventBridge: configuration.EventBridgeConfiguration !== undefined,
  };
}

function entryOf(kind: DestinationKind, arn: string | undefined, common: Common): NotificationEntry {
  const rules = common.Filter?.Key?.FilterRules;
  return {
    kind,
    id: common.Id ?? null,
    arn: arn ?? '',
    events: common.Events ?? [],
    filterRules: rules?.map(({ Name, Value }) => ({ name: Name ?? '', value: Value ?? '' })) ?? null,
  };
}

function configurationOf({ entries, hasEventBridge }: BucketNotifications): NotificationConfiguration {
  const of = (kind: DestinationKind): NotificationEntry[] => entries.filter((entry) => entry.kind === kind);
  const functions = of('function').map((entry) => ({ ...commonOf(entry), LambdaFunctionArn: entry.arn }));
  const queues = of('queue').map((entry) => ({ ...commonOf(entry), QueueArn: entry.arn }));
  const topics = of('topic').map((entry) => ({ ...commonOf(entry), TopicArn: entry.arn }));
  return {
    ...(functions.length === 0 ? {} : { LambdaFunctionConfigurations: functions }),
    ...(queues.length === 0 ? {} : { QueueConfigurations: queues }),
    ...(topics.length === 0 ? {} : { TopicConfigurations: topics }),
    ...(hasEventBridge ? { EventBridgeConfiguration: {} } : {}),
  };
}

type Written = Pick<
  LambdaFunctionConfiguration & QueueConfiguration & TopicConfiguration,
  'Id' | 'Events' | 'Filter'
>;

function commonOf({ id, events, filterRules }: NotificationEntry): Written {
  // A type that the SDK does not know yet, of somebody else's entry, is written back like the others.
  const Events = [...events] as Written['Events'];
  return {
    ...(id === null ? {} : { Id: id }),
    Events,
    ...(filterRules === null ? {} : { Filter: { Key: { FilterRules: filterRules.map(ruleOf) } } }),
  };
}

type SdkRule = NonNullable<NonNullable<NonNullable<Written['Filter']>['Key']>['FilterRules']>[number];

function ruleOf({ name, value }: { readonly name: string; readonly value: string }): SdkRule {
  return { Name: name as SdkRule['Name'], Value: value };
}

/** What a refused write says about the document; null where it is about something else. */
function refusedWrite({ code, message, fields }: S3Refusal): NotificationsWritten | null {
  if (code !== 'InvalidArgument' || message === null) return null;
  if (/overlap|ambiguously/i.test(message)) return { kind: 'overlap', message };
  if (/destination/i.test(message)) return { kind: 'destination', message, refused: refusedOf(fields) };
  return null;
}

/** `ArgumentName1` holds the ARN and `ArgumentValue1` the reason; a single one may come without its number. */
function refusedOf(fields: Readonly<Record<string, string>>): RefusedDestination[] {
  return Object.entries(fields).flatMap(([name, value]) => {
    const number = /^ArgumentName(\d*)$/.exec(name)?.[1];
    const arn = /arn:[^\s,]+/.exec(value)?.[0];
    if (number === undefined || arn === undefined) return [];
    return [{ arn, reason: fields[`ArgumentValue${number}`] ?? null }];
  });
}
