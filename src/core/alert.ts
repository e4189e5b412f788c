// Ports of alerting: what can be wrong, the message that goes out, where it goes, and what is told of it inside.
import type { FaultCode } from './faults.ts';

export const ALERT_KINDS = [
  /** Transfers of one rule are parked with one fault. */
  'parked',
  /** Deletes of one rule are held by the brake. */
  'delete_brake',
  'store_down',
  /** The queue that changes are received from cannot be used. */
  'message_queue',
  /** The oldest change that waits is older than the objective. */
  'lag',
  /** Too many of the transfers of the last day took longer than the objective. */
  'late_share',
  'disk_reserve',
  /** Records came that could not be understood. */
  'quarantine',
  /** The queue does not answer. */
  'queue',
] as const;

export type AlertKind = (typeof ALERT_KINDS)[number];

/** Something that is wrong and that a person should know of. No field holds a secret or the name of an object. */
export interface Alert {
  /** The same as long as it is the same trouble. */
  readonly key: string;
  readonly kind: AlertKind;
  readonly ruleName: string | null;
  readonly faultCode: FaultCode | null;
  readonly store: 'source' | 'target' | null;
  /** One sentence without full stop. */
  readonly title: string;
  /** What is known now, with figures. */
  readonly detail: string;
  readonly remedy: string;
  /** How many transfers or records it is about; null where that has no meaning. */
  readonly count: number | null;
  /** By the wall clock. */
  readonly sinceMs: number;
}

/** The message, as JSON. `text` alone is what chat services show. */
export interface AlertMessage {
  readonly text: string;
  readonly status: 'firing' | 'resolved' | 'test';
  /** The same when the same message is sent again because its answer was lost. */
  readonly id: string;
  readonly [field: string]: string | number | null;
}

export type AlertDelivery =
  | { readonly kind: 'delivered' }
  /** `reason` is for people and holds nothing of the address but its origin. `retryAfterMs`: as the receiver asked. */
  | { readonly kind: 'failed'; readonly reason: string; readonly retryAfterMs: number | null };

/** Where messages go. */
export interface AlertSink {
  /** Scheme, host and port: all that may be shown of the address. */
  readonly origin: string;
  /** Sends once, within a bounded time. Never throws for what the receiver or the network does. */
  send(message: AlertMessage, signal: AbortSignal): Promise<AlertDelivery>;
}

/** No method throws or waits. */
export interface AlertHappenings {
  alertBegan(alert: Alert): void;
  alertEnded(alert: Alert): void;
  alertDelivered(): void;
  /** `isFirst`: the delivery before it succeeded, or there was none. */
  alertNotDelivered(event: { readonly reason: string; readonly isFirst: boolean }): void;
  /** Deliveries succeed again. */
  alertSinkRecovered(event: { readonly failureCount: number }): void;
  /** Alerting itself failed, at what it does now; told once until it works again. */
  alertingTroubled(event: { readonly doing: string; readonly error: unknown }): void;
}
