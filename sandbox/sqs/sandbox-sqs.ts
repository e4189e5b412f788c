// An SQS of its own on loopback, in memory: the HTTP service in the current JSON protocol, plus direct access for
// tests and the demo.
import { Keyring } from '../aws/keyring.ts';
import type { ServiceOptions } from '../aws/service-options.ts';
import { type SandboxServer, startSandboxServer, withMore } from '../http-server.ts';
import { machineClock, type SandboxClock } from '../sandbox-clock.ts';
import { type DeliveryTrouble, type TroubleCounts, troubleOf } from '../delivery-trouble.ts';
import type { MessageAttributes } from './message-attributes.ts';
import { routeSqs, type SqsActionName } from './sqs-router.ts';
import { makeQueue, queueByArn, requireQueueByName, type SqsState, urlOf } from './sqs-state.ts';
import type { StoredMessage } from './stored-message.ts';
import type { QueueCounts, StoredQueue } from './stored-queue.ts';

export interface SandboxSqsOptions extends ServiceOptions {
  /** The time of messages; the machine's by default. Signatures are always judged by the machine's. */
  readonly clock?: SandboxClock;
  /**
   * What deleting by a receipt does that a newer one has overtaken. `ignored`, the default, is what the service does:
   * it answers 200 and deletes nothing. `refused` answers InvalidParameterValue, also for a receipt whose visibility
   * has ended, as FIFO queues do.
   */
  readonly staleReceipts?: 'ignored' | 'refused';
}

/** A queue as a test looks at it. */
export interface QueueInspection extends Readonly<QueueCounts> {
  /** Messages that can be received now. */
  readonly visible: number;
  readonly inFlight: number;
  readonly delayed: number;
  /** What went wrong on purpose so far. */
  readonly trouble: Readonly<TroubleCounts>;
  /** Everything that is in the queue, in the order of arrival. */
  readonly messages: readonly Readonly<StoredMessage>[];
}

export interface SandboxSqs extends SandboxServer {
  readonly region: string;
  readonly accountId: string;
  /** Makes a queue, or makes it anew, and returns its address. */
  createQueue(
    name: string,
    attributes?: Readonly<Record<string, string>>,
    options?: { readonly delivery?: DeliveryTrouble },
  ): string;
  queueUrl(name: string): string;
  queueArn(name: string): string;
  /** Puts a message in as another service of the cloud does; by name. Returns its id. */
  send(
    name: string,
    body: string,
    options?: {
      readonly delaySec?: number;
      readonly attributes?: MessageAttributes;
      readonly groupId?: string;
    },
  ): string;
  /** The same by ARN; false where no queue has it. */
  deliver(arn: string, body: string, attributes?: MessageAttributes): boolean;
  /** The policy of a queue, empty where it has none; null where no queue has the ARN. */
  policyOf(arn: string): string | null;
  inspect(name: string): QueueInspection;
  /** Resolves as soon as so many long polls are waiting at the queue. */
  polledBy(name: string, count: number): Promise<void>;
  /** Refuses an action with AccessDenied until it is allowed again. */
  deny(action: SqsActionName): void;
  allow(action: SqsActionName): void;
}

/** Starts the service. `close` ends connections and long polls. */
export async function startSandboxSqs(options: SandboxSqsOptions): Promise<SandboxSqs> {
  const accountId = options.accountId ?? '123456789012';
  const keyring = options.keyring ?? new Keyring(accountId, options);
  let url = '';
  const state: SqsState = {
    region: options.region ?? 'us-east-1',
    accountId,
    clock: options.clock ?? machineClock,
    staleReceipts: options.staleReceipts ?? 'ignored',
    queues: new Map(),
    deletedMs: new Map(),
    moveTasks: [],
    denied: new Set(),
    url: () => url,
  };
  const server = await startSandboxServer(routeSqs(state, keyring), options.port);
  url = server.url;
  return withMore<SandboxSqs>(server, directAccess(state));
}

function directAccess(state: SqsState): Omit<SandboxSqs, keyof SandboxServer> {
  return {
    region: state.region,
    accountId: state.accountId,
    createQueue: (name, attributes = {}, { delivery } = {}) => {
      const queue = makeQueue(state, name, attributes);
      queue.trouble = delivery === undefined ? null : troubleOf(`queue ${name}`, delivery);
      return urlOf(state, name);
    },
    queueUrl: (name) => urlOf(state, requireQueueByName(state, name).name),
    queueArn: (name) => requireQueueByName(state, name).arn,
    send: (name, body, { delaySec, attributes = {}, groupId } = {}) =>
      put(state, requireQueueByName(state, name), { body, attributes, groupId, delaySec: delaySec ?? null }),
    deliver: (arn, body, attributes = {}) => {
      const queue = queueByArn(state, arn);
      if (queue !== null) put(state, queue, { body, attributes, groupId: undefined, delaySec: null });
      return queue !== null;
    },
    policyOf: (arn) => {
      const queue = queueByArn(state, arn);
      return queue === null ? null : (queue.attributes.all()['Policy'] ?? '');
    },
    inspect: (name) => {
      const queue = requireQueueByName(state, name);
      const { ready, delayed, in_flight: inFlight } = queue.places;
      const trouble = queue.trouble?.counts ?? { duplicated: 0, reordered: 0, delayed: 0, lost: 0 };
      return { ...queue.counts, visible: ready, inFlight, delayed, trouble, messages: queue.messages };
    },
    polledBy: async (name, count) => requireQueueByName(state, name).polledBy(count),
    deny: (action) => void state.denied.add(action),
    allow: (action) => void state.denied.delete(action),
  };
}

function put(
  state: SqsState,
  queue: StoredQueue,
  message: {
    readonly body: string;
    readonly attributes: MessageAttributes;
    readonly groupId: string | undefined;
    readonly delaySec: number | null;
  },
): string {
  const { body, attributes, groupId, delaySec } = message;
  const group = { id: groupId ?? 'sandbox', deduplicationId: `${state.clock.nowMs()}-${queue.counts.sent}` };
  const isFifo = queue.attributes.isFifo;
  const sent = queue.send(
    {
      body,
      attributes,
      delaySec,
      traceHeader: null,
      senderId: 'AIDASANDBOXSERVICE',
      group: isFifo ? group : null,
    },
    true,
  );
  return sent.id;
}
