// The event bus of the sandbox's account: which events go to which queue or API destination. It has no address of its
// own; S3 hands it events, and tests do.
import { Deliveries, type DeliveryFailure, post } from '../deliveries.ts';
import { type DeliveryTrouble, troubleOf, type TroubledDelivery } from '../delivery-trouble.ts';

/** How an API destination proves who it is; each is a header of every post. */
export type ConnectionAuth =
  | { readonly kind: 'api_key'; readonly header: string; readonly value: string }
  | { readonly kind: 'basic'; readonly user: string; readonly password: string };

export type EventTarget =
  | { readonly kind: 'queue'; readonly arn: string }
  | {
      readonly kind: 'api_destination';
      readonly url: string;
      /** POST by default. */
      readonly method?: string;
      readonly auth?: ConnectionAuth;
      /** Further headers of the connection. */
      readonly headers?: Readonly<Record<string, string>>;
    };

export interface EventRule {
  /** Events of this bucket alone; of all by default. */
  readonly bucket?: string;
  /** Such as `Object Created`; all by default. */
  readonly detailTypes?: readonly string[];
  /** Keys that begin so; all by default. */
  readonly keyPrefix?: string;
  readonly target: EventTarget;
  /** What goes wrong on the way of each event; nothing by default. */
  readonly delivery?: DeliveryTrouble;
}

export interface SandboxEventBridgeOptions {
  /** Puts a message into a queue of the same cloud; false where there is no such queue. By default there are none. */
  readonly deliverToQueue?: (queueArn: string, body: string) => boolean;
  /** Waits before the second try and so on; 20, 100, 200 and 400 by default (24 hours of tries in earnest). */
  readonly retryDelaysMs?: readonly number[];
  /** An API destination must answer in this time; 5,000 as in earnest by default. */
  readonly answerWithinMs?: number;
}

export interface SandboxEventBridge {
  /** Adds a rule; returns the function that removes it. */
  addRule(rule: EventRule): () => void;
  /** Begins the delivery of an event to the target of every rule that it matches. */
  putEvent(event: object): void;
  /** Events that no try delivered, oldest first. */
  readonly undelivered: readonly object[];
  /** Resolves once every event was delivered or given up. */
  idle(): Promise<void>;
  close(): Promise<void>;
}

/** Client errors that another try may mend; every other one is the destination's last word. */
const retriedClientErrors = new Set([401, 407, 409, 429]);

/** Starts the bus. `close` ends pending deliveries. */
export function startSandboxEventBridge(options: SandboxEventBridgeOptions = {}): SandboxEventBridge {
  const deliveries = new Deliveries(options.retryDelaysMs ?? [20, 100, 200, 400]);
  const rules = new Set<{ readonly rule: EventRule; readonly trouble: TroubledDelivery | null }>();
  const sendTo = async (
    target: EventTarget,
    body: string,
    signal: AbortSignal,
  ): Promise<DeliveryFailure | null> => {
    if (target.kind === 'api_destination')
      return postToDestination(target, body, options.answerWithinMs ?? 5000, signal);
    const isThere = options.deliverToQueue?.(target.arn, body) ?? false;
    return isThere ? null : { reason: `there is no queue ${target.arn}`, status: null, isFinal: true };
  };
  return {
    addRule: (rule) => {
      const name = rule.target.kind === 'queue' ? rule.target.arn : rule.target.url;
      const trouble = rule.delivery === undefined ? null : troubleOf(`event rule for ${name}`, rule.delivery);
      const entry = { rule, trouble };
      rules.add(entry);
      return () => void rules.delete(entry);
    },
    putEvent: (event) => {
      const body = JSON.stringify(event);
      for (const { rule, trouble } of rules)
        if (matches(rule, event))
          deliveries.begin({ event, trouble, send: async (signal) => sendTo(rule.target, body, signal) });
    },
    undelivered: deliveries.undelivered,
    idle: async () => deliveries.idle(),
    close: async () => deliveries.close(),
  };
}

function matches({ bucket, detailTypes, keyPrefix = '' }: EventRule, event: object): boolean {
  const { detail = {}, 'detail-type': detailType = '' } = event as {
    readonly 'detail-type'?: string;
    readonly detail?: {
      readonly bucket?: { readonly name?: string };
      readonly object?: { readonly key?: string };
    };
  };
  return (
    (bucket === undefined || bucket === detail.bucket?.name) &&
    (detailTypes === undefined || detailTypes.includes(detailType)) &&
    (detail.object?.key ?? '').startsWith(keyPrefix)
  );
}

async function postToDestination(
  target: Extract<EventTarget, { readonly kind: 'api_destination' }>,
  body: string,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<DeliveryFailure | null> {
  const headers = {
    'content-type': 'application/json; charset=utf-8',
    'user-agent': 'Amazon/EventBridge/ApiDestinations',
    range: 'bytes=0-1048575',
    ...target.headers,
    ...(target.auth === undefined ? {} : authHeader(target.auth)),
  };
  const failure = await post(
    target.url,
    { method: target.method ?? 'POST', headers, body, timeoutMs },
    signal,
  );
  if (failure === null) return null;
  const status = failure.status ?? 500;
  return { ...failure, isFinal: status < 500 && !retriedClientErrors.has(status) };
}

function authHeader(auth: ConnectionAuth): Record<string, string> {
  if (auth.kind === 'api_key') return { [auth.header]: auth.value };
  return { authorization: `Basic ${Buffer.from(`${auth.user}:${auth.password}`).toString('base64')}` };
}
