// An SNS of its own on loopback, in memory: topics that deliver signed documents to addresses and messages to queues,
// the calls that set them up, and its certificate.
import { Keyring } from '../aws/keyring.ts';
import type { ServiceOptions } from '../aws/service-options.ts';
import { routeQueries } from '../aws/query-protocol.ts';
import { type DeliveryTrouble, troubleOf } from '../delivery-trouble.ts';
import { type SandboxHandler, type SandboxServer, startSandboxServer, withMore } from '../http-server.ts';
import { snsActions, unsubscribe } from './sns-calls.ts';
import type { SnsDocumentType } from './sns-document.ts';
import { type SnsAttribute, SnsSender, type SnsSenderOptions } from './sns-sender.ts';
import { type Subscription, Topics } from './topics.ts';

export interface SandboxSnsOptions extends ServiceOptions {
  /** The time in documents; the machine's by default. */
  readonly nowMs?: () => number;
  /** Waits before the second, third and fourth try; 20, 100 and 200 by default (20 s each in earnest). */
  readonly retryDelaysMs?: readonly number[];
  /** Puts a message into a queue of the same cloud; by default there are none. */
  readonly deliverToQueue?: SnsSenderOptions['deliverToQueue'];
  /**
   * Where the addresses in documents lead. `amazon`, the default: to `https://sns.REGION.amazonaws.com`, as the real
   * ones do; `visit` answers for that host. `loopback`: to this server.
   */
  readonly addresses?: 'amazon' | 'loopback';
}

export interface SandboxSns extends SandboxServer {
  readonly region: string;
  /** Makes a topic and returns its ARN. */
  createTopic(name: string, options?: { readonly signatureVersion?: '1' | '2' }): string;
  /** Adds a listener and returns the subscription's ARN. An address is asked to confirm at once. */
  subscribe(
    topicArn: string,
    listener: {
      readonly protocol: 'sqs' | 'http' | 'https';
      readonly endpoint: string;
      /** The message alone, without the envelope; false by default. */
      readonly raw?: boolean;
      readonly delivery?: DeliveryTrouble;
    },
  ): string;
  unsubscribe(subscriptionArn: string): void;
  subscriptions(topicArn: string): readonly Readonly<Subscription>[];
  /** Sends a message to everybody who listens, and returns its id. */
  publish(
    topicArn: string,
    message: string,
    options?: { readonly subject?: string; readonly attributes?: Readonly<Record<string, SnsAttribute>> },
  ): string;
  hasTopic(topicArn: string): boolean;
  /** A signed document of a topic that is sent to nobody, for those who want to send it themselves. */
  document(
    type: SnsDocumentType,
    topicArn: string,
    content: { readonly message: string; readonly subject?: string; readonly subscriptionArn?: string },
  ): Promise<string>;
  /** The certificate of the signatures, and the address that documents name. */
  certificate(): Promise<{ readonly url: string; readonly pem: string; readonly keyPem: string }>;
  /** What a GET of an address from a document answers, as if the host were the real one. */
  visit(address: string): Promise<{ readonly status: number; readonly body: string }>;
  /** Documents that no try delivered, oldest first. */
  readonly undelivered: readonly object[];
  /** Resolves once every document was delivered or given up. */
  idle(): Promise<void>;
}

/** Starts the service. `close` ends connections and pending deliveries. */
export async function startSandboxSns(options: SandboxSnsOptions): Promise<SandboxSns> {
  const region = options.region ?? 'us-east-1';
  const accountId = options.accountId ?? '123456789012';
  const topics = new Topics(region, accountId);
  let loopbackUrl = '';
  const amazonUrl = `https://sns.${region}.amazonaws.com`;
  const sender = new SnsSender({
    region,
    nowMs: options.nowMs ?? Date.now,
    retryDelaysMs: options.retryDelaysMs ?? [20, 100, 200],
    deliverToQueue: options.deliverToQueue ?? (() => false),
    publicUrl: () => (options.addresses === 'loopback' ? loopbackUrl : amazonUrl),
  });
  const calls = routeQueries({
    name: 'sns',
    namespace: 'http://sns.amazonaws.com/doc/2010-03-31/',
    region,
    keyring: options.keyring ?? new Keyring(accountId, options),
    actions: snsActions(topics, sender, accountId),
    open: new Set(['ConfirmSubscription', 'Unsubscribe']),
    denied: new Set(),
  });
  const server = await startSandboxServer(certificateOr(sender, calls), options.port);
  loopbackUrl = server.url;
  return withMore<SandboxSns>(server, {
    close: async () => {
      await Promise.all([server.close(), sender.deliveries.close()]);
    },
    visit: async (address) => {
      const path = [amazonUrl, loopbackUrl].find((url) => address.startsWith(`${url}/`));
      if (path === undefined) throw new Error(`The sandbox SNS is not at ${address}`);
      const answer = await fetch(loopbackUrl + address.slice(path.length));
      return { status: answer.status, body: await answer.text() };
    },
    undelivered: sender.deliveries.undelivered,
    idle: async () => sender.deliveries.idle(),
    region,
    ...directAccess(topics, sender),
  });
}

/** Anybody may read the certificate; everything else is a call. */
function certificateOr(sender: SnsSender, calls: SandboxHandler): SandboxHandler {
  return async (request) => {
    const isCertificate = request.method === 'GET' && sender.certificateUrl.endsWith(request.rawPath);
    if (!isCertificate || request.rawPath === '/') return calls(request);
    const { pem } = await sender.certificate();
    return { status: 200, headers: { 'content-type': 'application/x-pem-file' }, body: pem };
  };
}

function directAccess(
  topics: Topics,
  sender: SnsSender,
): Omit<SandboxSns, keyof SandboxServer | 'visit' | 'undelivered' | 'idle' | 'region'> {
  return {
    createTopic: (name, { signatureVersion } = {}) => topics.create(name, signatureVersion).arn,
    subscribe: (topicArn, { protocol, endpoint, raw = false, delivery }) => {
      const subscription = topics.subscribe(topicArn, { protocol, endpoint, isRaw: raw });
      subscription.trouble = delivery === undefined ? null : troubleOf(`subscription ${endpoint}`, delivery);
      if (!subscription.isConfirmed)
        sender.askToConfirm('SubscriptionConfirmation', topics.require(topicArn), subscription);
      return subscription.arn;
    },
    unsubscribe: (subscriptionArn) => unsubscribe(topics, sender, subscriptionArn),
    subscriptions: (topicArn) => [...topics.require(topicArn).subscriptions.values()],
    publish: (topicArn, message, { subject, attributes = {} } = {}) =>
      sender.publish(topics.require(topicArn), { message, subject: subject ?? null, attributes }),
    hasTopic: (topicArn) => topics.has(topicArn),
    document: async (type, topicArn, { message, subject, subscriptionArn }) => {
      const topic = topics.require(topicArn);
      const subscription = subscriptionArn === undefined ? null : topics.requireSubscription(subscriptionArn);
      return sender.document(type, topic, {
        subscription,
        messageId: crypto.randomUUID(),
        message,
        subject: subject ?? null,
        attributes: {},
      });
    },
    certificate: async () => {
      const { pem, keyPem } = await sender.certificate();
      return { url: sender.certificateUrl, pem, keyPem };
    },
  };
}
