// Event notifications: who hears of a change. The bucket's own configuration decides, and besides it one function or
// address that a test, the demo or the sandbox's command line sets directly.
import { Deliveries, type DeliveryFailure, post } from '../deliveries.ts';
import { type DeliveryTrouble, troubleOf, type TroubledDelivery } from '../delivery-trouble.ts';
import type { Bucket } from './buckets.ts';
import {
  type DestinationKind,
  type NotificationConfiguration,
  ruleMatches,
} from './notification-configuration.ts';
import { type ObjectChange, RecordWriter, type RecordWriterOptions } from './notification-record.ts';

/** A function called with the event, or an http(s) address the event is posted to as JSON. */
export type NotificationTarget = ((event: object) => Promise<void>) | string;

export interface NotificationOptions {
  /** Headers of the posts to an address. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Whether s3:TestEvent is sent at once; by default to addresses only, as Lambda gets none. */
  readonly testEvent?: boolean;
  /** Told of every event that was given up, but not of those that closing gave up. */
  readonly onUndelivered?: (failure: Undelivered) => void;
  /** What goes wrong on the way of each event; nothing by default. */
  readonly delivery?: DeliveryTrouble;
}

/** An event that no try delivered. */
export interface Undelivered {
  /** The key whose change it announces; null for s3:TestEvent. */
  readonly key: string | null;
  /** Why the last try failed, in words. */
  readonly reason: string;
  /** What the address answered at the last try; null where it did not answer. */
  readonly status: number | null;
}

/** The rest of the cloud, as far as S3 delivers to it. */
export interface NotificationDestinations {
  /** Why S3 may not or cannot deliver there, in its own words; null where it can. */
  defect(kind: DestinationKind, arn: string, bucketName: string): string | null;
  /** One try; null where it succeeded. */
  deliver(
    kind: DestinationKind,
    arn: string,
    document: object,
    signal: AbortSignal,
  ): Promise<DeliveryFailure | null>;
  /** Hands an event to the account's event bus. */
  putEvent(event: object): void;
}

/** A cloud that has nothing but S3. */
export const noDestinations: NotificationDestinations = {
  defect: (kind, arn) =>
    kind === 'CloudFunction'
      ? `Not authorized to invoke function [${arn}]`
      : `The destination ${kind.toLowerCase()} does not exist`,
  deliver: async (_kind, arn) => ({ reason: `there is no ${arn}`, status: null, isFinal: true }),
  putEvent: () => {},
};

interface Route {
  readonly target: NotificationTarget;
  readonly headers: Readonly<Record<string, string>>;
  readonly onUndelivered: (failure: Undelivered) => void;
  readonly trouble: TroubledDelivery | null;
}

export interface NotificationsOptions extends RecordWriterOptions {
  /** Waits before the second and the third try. */
  readonly retryDelaysMs: readonly number[];
}

export class Notifications {
  readonly deliveries: Deliveries;
  destinations: NotificationDestinations = noDestinations;
  readonly #records: RecordWriter;
  readonly #routes = new Map<string, Route>();

  constructor(options: NotificationsOptions) {
    this.#records = new RecordWriter(options);
    this.deliveries = new Deliveries(options.retryDelaysMs);
  }

  /** Sets where the changes of a bucket go besides its configuration; null for nowhere. */
  setTarget(bucketName: string, target: NotificationTarget | null, options: NotificationOptions): void {
    if (target === null) {
      this.#routes.delete(bucketName);
      return;
    }
    const { headers = {}, onUndelivered = () => {}, delivery } = options;
    const trouble = delivery === undefined ? null : troubleOf(`notification of ${bucketName}`, delivery);
    const route = { target, headers, onUndelivered, trouble };
    this.#routes.set(bucketName, route);
    if (options.testEvent ?? typeof target === 'string')
      this.#begin({ ...route, trouble: null }, null, this.#records.testEvent(bucketName));
  }

  /** Sends s3:TestEvent to every queue and topic of a configuration that was stored just now. */
  test(bucketName: string, { rules }: NotificationConfiguration): void {
    for (const { kind, arn } of rules)
      if (kind !== 'CloudFunction') this.#send(kind, arn, this.#records.testEvent(bucketName));
  }

  /** Begins the delivery of one change to all who hear of it; never waits for it. */
  announce(bucket: Bucket, change: ObjectChange): void {
    const announcement = this.#records.announcement(bucket, change);
    const { rules, eventBridge } = bucket.notification;
    for (const rule of rules)
      if (ruleMatches(rule, change.eventName, change.key))
        this.#send(rule.kind, rule.arn, this.#records.notification(announcement, rule.id));
    if (eventBridge) this.destinations.putEvent(this.#records.busEvent(announcement));
    const route = this.#routes.get(bucket.name);
    if (route !== undefined)
      this.#begin(route, change.key, this.#records.notification(announcement, 'sandbox'));
  }

  #send(kind: DestinationKind, arn: string, event: object): void {
    this.deliveries.begin({
      event,
      send: async (signal) => this.destinations.deliver(kind, arn, event, signal),
    });
  }

  #begin(route: Route, key: string | null, event: object): void {
    this.deliveries.begin({
      event,
      trouble: route.trouble,
      send: async (signal) => {
        if (typeof route.target === 'string') {
          const headers = { 'content-type': 'application/json', ...route.headers };
          return post(route.target, { headers, body: JSON.stringify(event) }, signal);
        }
        await route.target(structuredClone(event));
        return null;
      },
      onUndelivered: ({ reason, status }) => route.onUndelivered({ key, reason, status }),
    });
  }
}
