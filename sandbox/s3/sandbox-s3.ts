// An S3 of its own on loopback, in memory: the HTTP service, plus direct access for tests and the demo.
import { Keyring } from '../aws/keyring.ts';
import type { ServiceOptions } from '../aws/service-options.ts';
import { type SandboxServer, startSandboxServer, withMore } from '../http-server.ts';
import { bucketOf, type DirectAccess, directAccess } from './direct-access.ts';
import type { NotificationConfiguration } from './notification-configuration.ts';
import {
  type NotificationDestinations,
  type NotificationOptions,
  Notifications,
  type NotificationTarget,
} from './notification.ts';
import { routeRequests } from './router.ts';
import type { S3Permission, S3State } from './s3-state.ts';

export interface SandboxS3Options extends ServiceOptions {
  /** The server's clock in milliseconds; the machine's by default. */
  readonly nowMs?: () => number;
  /** Waits before a failed notification's second and third try; 20 and 100 by default. */
  readonly retryDelaysMs?: readonly number[];
}

export interface SandboxS3 extends SandboxServer, DirectAccess {
  /** Where the changes of a bucket go; null for nowhere. An address gets s3:TestEvent at once. */
  setNotification(bucket: string, target: NotificationTarget | null, options?: NotificationOptions): void;
  /** Replaces a bucket's notification configuration, unchecked; its queues and topics get s3:TestEvent. */
  configureNotification(bucket: string, configuration: NotificationConfiguration): void;
  /** Makes the rest of the cloud known, so that notification configurations can name it. */
  connect(destinations: NotificationDestinations): void;
  /** Refuses what needs this permission with 403 until it is allowed again. */
  deny(permission: S3Permission): void;
  allow(permission: S3Permission): void;
  /** Resolves once every notification was delivered or given up. */
  idle(): Promise<void>;
  /** Events that no try delivered, oldest first. */
  readonly undelivered: readonly object[];
}

/** Starts the service. `close` ends connections and pending notifications. */
export async function startSandboxS3(options: SandboxS3Options): Promise<SandboxS3> {
  const region = options.region ?? 'us-east-1';
  const accountId = options.accountId ?? '123456789012';
  const nowMs = options.nowMs ?? Date.now;
  const retryDelaysMs = options.retryDelaysMs ?? [20, 100];
  const notifications = new Notifications({ region, accountId, nowMs, retryDelaysMs });
  const state: S3State = {
    region,
    accountId,
    keyring: options.keyring ?? new Keyring(accountId, options),
    notifications,
    denied: new Set(),
    buckets: new Map(),
    completedUploads: new Map(),
    nowMs,
  };
  const server = await startSandboxServer(routeRequests(state), options.port);
  return withMore<SandboxS3>(server, {
    undelivered: notifications.deliveries.undelivered,
    setNotification: (name, target, notificationOptions = {}) => {
      bucketOf(state, name);
      notifications.setTarget(name, target, notificationOptions);
    },
    configureNotification: (name, configuration) => {
      bucketOf(state, name).notification = configuration;
      notifications.test(name, configuration);
    },
    connect: (destinations) => {
      notifications.destinations = destinations;
    },
    deny: (permission) => void state.denied.add(permission),
    allow: (permission) => void state.denied.delete(permission),
    idle: async () => notifications.deliveries.idle(),
    close: async () => {
      await Promise.all([server.close(), notifications.deliveries.close()]);
    },
    ...directAccess(state),
  });
}
