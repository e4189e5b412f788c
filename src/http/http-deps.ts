// What the HTTP API needs from the rest of the service, and the types that its routes share.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { FastifyBaseLogger, FastifyInstance, RawServerDefault } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import type { ParsedChanges } from '../core/change.ts';
import type { Clock } from '../core/clock.ts';
import type { MessageIntakeState } from '../core/message-intake.ts';
import type { Rule } from '../core/rule.ts';
import type { SnsDelivery, SnsIntake } from '../core/sns-intake.ts';
import type { StoreState } from '../core/store-state.ts';
import type { TransferQueue } from '../core/transfer-queue.ts';
import type { AcceptChanges } from '../replication/accept-change.ts';
import type { Alerts } from '../replication/alerts.ts';
import type { CallerQuota } from '../replication/caller-quota.ts';
import type { ExplainObject } from '../replication/explain-object.ts';
import type { HeldDeletes } from '../replication/held-deletes.ts';
import type { HostState } from '../replication/host-watch.ts';
import type { BodyHold, IntakeGate } from '../replication/intake-gate.ts';
import type { RunControl, RunKind } from '../replication/run.ts';
import type { ApiKey, AuthMode, BodyProof, Caller, RouteScope } from './auth.ts';

/** Where log lines go: facts first, then the sentence. Escaping is the logger's work. */
export interface HttpLogger {
  info(facts: object, message: string): void;
  warn(facts: object, message: string): void;
  error(facts: object, message: string): void;
}

/** One thing that must work before requests are sent here. `detail` is for people with a key; null: nothing to say. */
export interface ReadinessCheck {
  readonly name: string;
  readonly isOk: boolean;
  readonly detail: string | null;
}

export interface Readiness {
  readonly ready: boolean;
  readonly checks: readonly ReadinessCheck[];
}

/** Checks the headers of a signed call against the bytes of its body. `id` is what the sender calls the message. */
export type CheckSignature = (request: {
  readonly headers: {
    readonly id: string | undefined;
    readonly timestamp: string | undefined;
    readonly signature: string | undefined;
  };
  readonly body: Uint8Array;
}) => { readonly kind: 'valid'; readonly id: string } | { readonly kind: 'invalid'; readonly reason: string };

export interface HttpLimits {
  /** Of every body but that of /v1/events. */
  readonly bodyBytes: number;
  readonly eventsBodyBytes: number;
  /** Of a delivery of SNS, which is read before anything is known of its sender. */
  readonly snsBodyBytes: number;
  /** Records in one document of /v1/events. */
  readonly eventRecords: number;
  readonly headerBytes: number;
  /** Headers and body of a request have to arrive within this time. */
  readonly requestTimeoutMs: number;
  /** Longer than the idle time of load balancers, so that they close first. */
  readonly keepAliveTimeoutMs: number;
  /** Open connections; null for no limit. */
  readonly connections: number | null;
  /**
   * What may be spent on new changes in one turn of the event loop. All callers whose requests are there at its
   * beginning wait for its end, so that beyond this the rest is refused, which takes little time.
   */
  readonly intakeTurnMs: number;
  /** How long a look at both stores may take for /v1/objects/explain. */
  readonly explainTimeoutMs: number;
}

export const DEFAULT_HTTP_LIMITS: HttpLimits = {
  bodyBytes: 1024 * 1024,
  eventsBodyBytes: 8 * 1024 * 1024,
  // A message of SNS has 256 KiB at most; quotes and line breaks take two characters each in its envelope.
  snsBodyBytes: 1024 * 1024,
  eventRecords: 50_000,
  headerBytes: 16 * 1024,
  requestTimeoutMs: 10_000,
  keepAliveTimeoutMs: 75_000,
  connections: 10_000,
  intakeTurnMs: 200,
  explainTimeoutMs: 20_000,
};

export interface HttpServerDeps {
  readonly rules: readonly Rule[];
  readonly queue: TransferQueue;
  /** The delete brakes of the rules, and what a person decides about what they hold. */
  readonly heldDeletes: Pick<HeldDeletes, 'list' | 'decide'>;
  readonly acceptChanges: AcceptChanges;
  readonly explain: ExplainObject;
  readonly runs: Readonly<Record<RunKind, RunControl>>;
  /** From any document to its changes. Throws nothing: what it cannot read is malformed. */
  readonly parseChangeDocument: (document: unknown) => ParsedChanges;
  readonly clock: Clock;
  /** Checks signed calls; null where no secret of them is configured. */
  readonly checkSignature: CheckSignature | null;
  /** Checks deliveries of SNS; null where no topic is listed. */
  readonly sns: SnsIntake | null;
  /** How much one caller may hand over. */
  readonly quota: CallerQuota;
  /** Used in the auth mode `keys` only. */
  readonly apiKeys: readonly ApiKey[];
  readonly auth: AuthMode;
  /** The service listens on a loopback address only: then other Host names come from a page that made its name resolve here. */
  readonly isLoopbackOnly: boolean;
  /** The address that callers use, for Location headers and the own origin; null: answers use paths. */
  readonly publicUrl: string | null;
  readonly metrics: () => Promise<{ readonly contentType: string; readonly text: string }>;
  readonly version: string;
  readonly isReady: () => Promise<Readiness>;
  /** Bounds what is under way; shared with the host watch, which closes it when the machine is in trouble. */
  readonly gate: IntakeGate;
  readonly hostState: () => HostState;
  readonly alerts: Pick<Alerts, 'active' | 'receiver' | 'sendTest'>;
  /** What is known of the two stores; asking costs nothing and sends nothing. */
  readonly storeStates: () => readonly StoreState[];
  /** The intake from SQS; null where no queue is configured. */
  readonly messageIntake: () => MessageIntakeState | null;
  readonly logger: HttpLogger;
  /** Replaces single limits; the rest keeps its default. */
  readonly limits?: Partial<HttpLimits>;
}

/** What a route is given: the dependencies with every limit decided. */
export interface RouteDeps extends HttpServerDeps {
  readonly limits: HttpLimits;
  /** When this server was made, by the wall clock. */
  readonly startedAtMs: number;
  /** Aborted when the server begins to close: whoever waits answers now. */
  readonly closing: AbortSignal;
}

/** The web framework's server, its schemas being zod's. */
export type HttpApp = FastifyInstance<
  RawServerDefault,
  IncomingMessage,
  ServerResponse,
  FastifyBaseLogger,
  ZodTypeProvider
>;

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Without it a route needs `read` for GET and HEAD, `admin` for everything else. */
    scope?: RouteScope;
    allowsEmptyBody?: boolean;
    /** Takes changes: refused while the machine is in trouble. */
    isIntake?: boolean;
    /** Deliveries of SNS may come here. */
    takesSns?: boolean;
    /** Cheap and needed most when nothing else is answered: no bound holds for it. */
    answersUnderOverload?: boolean;
  }
  interface FastifyRequest {
    /** Null on open routes, and before it is known. */
    caller: Caller | null;
    /** What in the body tells who is calling; null where the headers told it. */
    bodyProof: BodyProof | null;
    /** A delivery of SNS that was checked; null for everything else. */
    snsDelivery: SnsDelivery | null;
    /** Null on routes without bounds, and before a request is let in. */
    bodyHold: BodyHold | null;
  }
}
