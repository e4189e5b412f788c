// Event notifications: the record S3 writes for a change, and its delivery to a function or an HTTP address.
// A failed delivery is tried twice more, as Lambda does with asynchronous calls, and is then given up and kept.
import { randomBytes } from 'node:crypto';
import type { Bucket } from './buckets.ts';
import { encodeKeyAsForm } from './uri.ts';

export interface ObjectChange {
  readonly eventName:
    | `ObjectCreated:${'Put' | 'Copy' | 'CompleteMultipartUpload'}`
    | `ObjectRemoved:${'Delete' | 'DeleteMarkerCreated'}`;
  readonly key: string;
  /** Null where the event carries none. */
  readonly sizeBytes: number | null;
  readonly etag: string | null;
  readonly versionId: string | null;
}

/** A function called with the event, or an http(s) address the event is posted to as JSON. */
export type NotificationTarget = ((event: object) => Promise<void>) | string;

export interface NotificationOptions {
  /** Headers of the posts to an address. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Whether s3:TestEvent is sent at once; by default to addresses only, as Lambda gets none. */
  readonly testEvent?: boolean;
  /** Told of every event that was given up, but not of those that closing gave up. */
  readonly onUndelivered?: (failure: Undelivered) => void;
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

/** Null: delivered. */
type Failure = Omit<Undelivered, 'key'> | null;

interface Route {
  readonly target: NotificationTarget;
  readonly headers: Readonly<Record<string, string>>;
  readonly onUndelivered: (failure: Undelivered) => void;
}

export interface NotificationsOptions {
  readonly region: string;
  readonly accountId: string;
  readonly nowMs: () => number;
  /** Waits before the second and the third try. */
  readonly retryDelaysMs: readonly number[];
}

export class Notifications {
  /** Events that no try delivered, oldest first. */
  readonly undelivered: object[] = [];
  readonly #options: NotificationsOptions;
  readonly #routes = new Map<string, Route>();
  readonly #underWay = new Set<Promise<void>>();
  readonly #closing = new AbortController();
  /** Resolves when the service closes: a function that never ends must not keep it open. */
  readonly #closed: Promise<void>;
  #lastSequencer = 0n;

  constructor(options: NotificationsOptions) {
    this.#options = options;
    this.#closed = new Promise((resolve) => this.#closing.signal.addEventListener('abort', () => resolve()));
  }

  /** Sets where the changes of a bucket go; null for nowhere. */
  setTarget(bucketName: string, target: NotificationTarget | null, options: NotificationOptions): void {
    if (target === null) {
      this.#routes.delete(bucketName);
      return;
    }
    const { headers = {}, onUndelivered = () => {} } = options;
    const route = { target, headers, onUndelivered };
    this.#routes.set(bucketName, route);
    if (options.testEvent ?? typeof target === 'string')
      this.#begin(route, null, this.#testEvent(bucketName));
  }

  /** Begins the delivery of one change; never waits for it. */
  announce(bucket: Bucket, change: ObjectChange): void {
    const route = this.#routes.get(bucket.name);
    const record = this.#record(bucket, change);
    if (route !== undefined) this.#begin(route, change.key, { Records: [record] });
  }

  /** Resolves once every delivery, also those begun meanwhile, has succeeded or was given up. */
  async idle(): Promise<void> {
    while (this.#underWay.size > 0) await Promise.all(this.#underWay);
  }

  /** Ends waits and posts; what was not delivered by then is given up. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.idle();
  }

  #begin(route: Route, key: string | null, event: object): void {
    const delivery = this.#deliver(route, key, event).finally(() => this.#underWay.delete(delivery));
    this.#underWay.add(delivery);
  }

  async #deliver(route: Route, key: string | null, event: object): Promise<void> {
    let failure: Failure = null;
    for (const delayMs of [0, ...this.#options.retryDelaysMs]) {
      if (delayMs > 0) await this.#wait(delayMs);
      if (this.#closing.signal.aborted) break;
      failure = await this.#try(route, event);
      if (failure === null) return;
    }
    this.undelivered.push(event);
    if (failure !== null && !this.#closing.signal.aborted) route.onUndelivered({ key, ...failure });
  }

  async #try(route: Route, event: object): Promise<Failure> {
    try {
      if (typeof route.target === 'function') {
        await Promise.race([route.target(structuredClone(event)), this.#closed]);
        return null;
      }
      const answer = await fetch(route.target, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...route.headers },
        body: JSON.stringify(event),
        redirect: 'manual',
        signal: this.#closing.signal,
      });
      await answer.arrayBuffer();
      return answer.ok ? null : { reason: `the answer was ${answer.status}`, status: answer.status };
    } catch (error) {
      // Whatever a target throws means the same to the sender: not delivered.
      return { reason: reasonOf(error), status: null };
    }
  }

  async #wait(delayMs: number): Promise<void> {
    const { signal } = this.#closing;
    if (signal.aborted) return;
    await new Promise<void>((resolve) => {
      const finish = (): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', finish);
        resolve();
      };
      const timer = setTimeout(finish, delayMs);
      signal.addEventListener('abort', finish);
    });
  }

  #record(bucket: Bucket, change: ObjectChange): object {
    const { region, accountId, nowMs } = this.#options;
    return {
      eventVersion: '2.1',
      eventSource: 'aws:s3',
      awsRegion: region,
      eventTime: new Date(nowMs()).toISOString(),
      eventName: change.eventName,
      userIdentity: { principalId: `AWS:${accountId}` },
      requestParameters: { sourceIPAddress: '127.0.0.1' },
      responseElements: { 'x-amz-request-id': requestId(), 'x-amz-id-2': randomBytes(32).toString('base64') },
      s3: {
        s3SchemaVersion: '1.0',
        configurationId: 'sandbox',
        bucket: {
          name: bucket.name,
          ownerIdentity: { principalId: bucket.ownerAccountId },
          arn: `arn:aws:s3:::${bucket.name}`,
        },
        object: {
          key: encodeKeyAsForm(change.key),
          ...(change.sizeBytes === null ? {} : { size: change.sizeBytes }),
          ...(change.etag === null ? {} : { eTag: change.etag }),
          ...(change.versionId === null ? {} : { versionId: change.versionId }),
          sequencer: this.#nextSequencer(),
        },
      },
    };
  }

  #testEvent(bucketName: string): object {
    return {
      Service: 'Amazon S3',
      Event: 's3:TestEvent',
      Time: new Date(this.#options.nowMs()).toISOString(),
      Bucket: bucketName,
      RequestId: requestId(),
      HostId: randomBytes(32).toString('base64'),
    };
  }

  /** 18 hexadecimal digits: 00, the second, a fraction of it. Always greater than the one before. */
  #nextSequencer(): string {
    const nowMs = this.#options.nowMs();
    const byClock = (BigInt(Math.floor(nowMs / 1000)) << 32n) | ((BigInt(nowMs % 1000) << 32n) / 1000n);
    this.#lastSequencer = byClock > this.#lastSequencer ? byClock : this.#lastSequencer + 1n;
    return this.#lastSequencer.toString(16).toUpperCase().padStart(18, '0');
  }
}

/** 16 characters, as the service's own look. */
export function requestId(): string {
  return randomBytes(8).toString('hex').toUpperCase();
}

/** The innermost reason: fetch says only that it failed, its cause says why. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.cause instanceof Error) return reasonOf(error.cause);
  return 'code' in error && typeof error.code === 'string' ? error.code : error.message;
}
