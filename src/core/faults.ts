// The closed table of faults: everything that can go wrong with a transfer and is nobody's programming error.
// The disposition decides what the worker does; title and remedy are what a person reads.

/**
 * retry: try again after a backoff, counted. retry_now: once more at once, counted. wait_for_store: the store or
 * the way to it is down or overloaded, try again after a backoff without using up attempts. park: needs a person; nothing is lost.
 */
export type Disposition = 'retry' | 'retry_now' | 'wait_for_store' | 'park';

interface FaultEntry {
  readonly disposition: Disposition;
  readonly title: string;
  readonly remedy: string;
}

export const FAULTS = {
  source_throttled: {
    disposition: 'wait_for_store',
    title: 'The source asks for fewer requests',
    remedy: 'Nothing to do: the service backs off. If it lasts, spread the keys over more prefixes.',
  },
  source_error: {
    disposition: 'retry',
    title: 'The source answered with an error of its own',
    remedy: "Nothing to do: the transfer is tried again. If it lasts, look at the provider's status page.",
  },
  source_unavailable: {
    disposition: 'wait_for_store',
    title: 'The source is not available for the moment',
    remedy:
      "Nothing to do: transfers wait and use up no attempts. If it lasts, look at the provider's status page.",
  },
  source_unreachable: {
    disposition: 'wait_for_store',
    title: 'The source cannot be reached',
    remedy: 'Check network, DNS and proxy between the service and the source, and the endpoint setting.',
  },
  source_read_broken: {
    disposition: 'retry',
    title: 'The source stopped sending before the end of the object',
    remedy:
      'Nothing to do: the transfer continues where it stopped. If it lasts, check the network to the source.',
  },
  source_checksum_mismatch: {
    disposition: 'retry',
    title: 'The bytes read do not match the checksum that the source keeps',
    remedy: 'The object is read again. If it parks, the stored object itself is damaged: upload it again.',
  },
  source_changing: {
    disposition: 'retry',
    title: 'The source object changes faster than it can be copied',
    remedy: 'Nothing to do: the last version is copied as soon as the object rests.',
  },
  target_throttled: {
    disposition: 'wait_for_store',
    title: 'The target asks for fewer requests',
    remedy: 'Nothing to do: the service backs off. One object name takes about one write a second.',
  },
  target_error: {
    disposition: 'retry',
    title: 'The target answered with an error of its own',
    remedy: "Nothing to do: the transfer is tried again. If it lasts, look at the provider's status page.",
  },
  target_unavailable: {
    disposition: 'wait_for_store',
    title: 'The target is not available for the moment',
    remedy:
      "Nothing to do: transfers wait and use up no attempts. If it lasts, look at the provider's status page.",
  },
  target_unreachable: {
    disposition: 'wait_for_store',
    title: 'The target cannot be reached',
    remedy: 'Check network, DNS and proxy between the service and the target, and the endpoint setting.',
  },
  target_checksum_mismatch: {
    disposition: 'retry',
    title: 'The target refused the bytes: they do not match the checksum sent with them',
    remedy:
      'The object is read and sent again. If it parks, bytes are damaged on the way: check proxies and memory.',
  },
  target_answer_mismatch: {
    disposition: 'retry',
    title: 'The target confirmed something else than what was written',
    remedy:
      'Both sides are looked at again. If it parks, something else writes to this name or the target misbehaves.',
  },
  upload_session_lost: {
    disposition: 'retry_now',
    title: 'The target no longer knows the upload session',
    remedy: 'Nothing to do: a new session is opened and the object is sent again from its start.',
  },
  credentials_expired: {
    disposition: 'wait_for_store',
    title: 'The credentials have expired',
    remedy:
      'Renew the session token and restart, or use a role, which renews itself. Transfers wait meanwhile.',
  },
  credentials_unavailable: {
    disposition: 'wait_for_store',
    title: 'No credentials could be obtained',
    remedy:
      'Check the credential settings and the network to the token service. The message names the provider that failed.',
  },
  credentials_invalid: {
    disposition: 'park',
    title: 'The store does not accept the credentials',
    remedy: 'Check key and secret (a deleted key, a typing error, a key of another account), then redrive.',
  },
  clock_skewed: {
    disposition: 'park',
    title: 'The clock of this machine is wrong',
    remedy:
      'Set the clock (NTP): signed requests are refused when it is more than 15 minutes off. Then redrive.',
  },
  access_denied: {
    disposition: 'park',
    title: 'The service lacks a permission',
    remedy: 'Grant the permission that the message names on the bucket that it names, then redrive.',
  },
  key_access_denied: {
    disposition: 'park',
    title: 'The encryption key cannot be used',
    remedy:
      "Allow the service to use the key (AWS: kms:Decrypt; Google: the bucket's service agent), enable it, redrive.",
  },
  customer_key_needed: {
    disposition: 'park',
    title: 'The object is encrypted with a key that only its owner has (SSE-C)',
    remedy:
      'It cannot be replicated without that key: store it again with SSE-S3 or SSE-KMS, or exclude its prefix.',
  },
  object_archived: {
    disposition: 'park',
    title: 'The source object is archived and cannot be read',
    remedy: 'Restore it from the archive; when the restore is complete, redrive.',
  },
  requester_pays: {
    disposition: 'park',
    title: 'The source bucket wants the requester to pay',
    remedy: "Turn requester-pays off for the service's account or the bucket, then redrive.",
  },
  source_bucket_missing: {
    disposition: 'park',
    title: 'The source bucket does not exist',
    remedy: 'Check the name in the rule and the account of the credentials, then redrive.',
  },
  target_bucket_missing: {
    disposition: 'park',
    title: 'The target bucket does not exist',
    remedy: 'Create the bucket or correct the rule, then redrive.',
  },
  wrong_region: {
    disposition: 'park',
    title: 'The source bucket is in another region than the one configured',
    remedy: 'Set AWS_REGION to the region that the message names, restart, then redrive.',
  },
  source_refused: {
    disposition: 'park',
    title: 'The source refuses the request as invalid',
    remedy:
      'Read the message: it carries the code of the source. Report it if the object can be read by other tools.',
  },
  target_refused: {
    disposition: 'park',
    title: 'The target refuses the request as invalid',
    remedy:
      'Read the message: it carries the reason of the target. Report it if other tools can write this object.',
  },
  name_not_storable: {
    disposition: 'park',
    title: 'The target cannot store an object of this name',
    remedy: 'Rename the source object, or exclude it by prefix or suffix. It is never renamed silently.',
  },
  reserved_name: {
    disposition: 'park',
    title: "The name is reserved for the replicator's own temporary parts",
    remedy: 'Rename the source object; no object may lie below .replicator-parts/ at the target.',
  },
  too_large: {
    disposition: 'park',
    title: 'The object is larger than the target can store',
    remedy: 'The target stops at 5 TiB: split the object, or exclude it by prefix or suffix.',
  },
  metadata_too_large: {
    disposition: 'park',
    title: 'The object has more metadata than the target can store',
    remedy: 'Shorten the user metadata of the source object.',
  },
  retention_blocked: {
    disposition: 'park',
    title: 'A retention policy or a hold at the target forbids the change',
    remedy: 'Wait until the retention ends or release the hold, then redrive.',
  },
  quota_exhausted: {
    disposition: 'park',
    title: 'A quota or the billing of the target account stops the write',
    remedy: 'Raise the quota or repair the billing account, then redrive.',
  },
  not_comparable: {
    disposition: 'park',
    title: 'The rule asks for strict verification and the source has no comparable checksum',
    remedy: "Upload the object with a full-object checksum, or set the rule's verify to source.",
  },
  rule_missing: {
    disposition: 'park',
    title: 'No rule covers this transfer any more',
    remedy:
      'Correct the rules and restart: the transfers then go on by themselves. Or leave them parked; nothing is copied or lost.',
  },
  queue_unavailable: {
    disposition: 'wait_for_store',
    title: 'The message queue is not available for the moment',
    remedy:
      'Nothing to do: it is asked again. If it lasts, check the network, AWS_REGION and the queue address.',
  },
  queue_denied: {
    disposition: 'park',
    title: 'The service may not use the message queue',
    remedy:
      'Allow sqs:ReceiveMessage, DeleteMessage, ChangeMessageVisibility, GetQueueAttributes and SendMessage on it.',
  },
  queue_missing: {
    disposition: 'park',
    title: 'The message queue does not exist',
    remedy: 'Check SQS_QUEUE_URL: its account, its region and its name.',
  },
  queue_refused: {
    disposition: 'park',
    title: 'The message queue refuses the request as invalid',
    remedy:
      'Read the message: it carries the reason of the queue. Check SQS_QUEUE_URL, AWS_REGION and the kind of queue.',
  },
  delete_brake: {
    disposition: 'park',
    title: 'Deletes of this rule are stopped by the brake',
    remedy:
      'Look at what would be deleted ("replicator brake"), then let it happen or let the objects stay: "replicator brake release RULE" or "replicator brake reject RULE".',
  },
  time_too_short: {
    disposition: 'park',
    title: 'The object cannot be copied in the time that a message can be held',
    remedy:
      'Set REPLICATOR_URL and REPLICATOR_API_KEY to a service, which then takes such objects over; in a function, raise its timeout first.',
  },
  service_unreachable: {
    disposition: 'wait_for_store',
    title: 'The service that takes large objects over does not answer',
    remedy: 'Nothing to do: it is asked again. If it lasts, check REPLICATOR_URL and the network to it.',
  },
  service_refused: {
    disposition: 'park',
    title: 'The service does not take the object over',
    remedy:
      'Check REPLICATOR_URL, that REPLICATOR_API_KEY has the scope write, and that its rules cover the object.',
  },
  unexpected: {
    disposition: 'retry',
    title: 'Something failed in a way that the service does not know',
    remedy: 'Report it with the message. The transfer is tried again and then parked; nothing is lost.',
  },
  bug: {
    disposition: 'park',
    title: 'The service found an error of its own',
    remedy: 'Report it with the log line of this transfer. The object is untouched; redrive after an update.',
  },
} as const satisfies Record<string, FaultEntry>;

export type FaultCode = keyof typeof FAULTS;

/** Small facts for people and logs: never a secret, a signed URL or an upload session. */
export type FaultDetails = Readonly<Record<string, string | number | boolean | null>>;

interface FaultOptions {
  readonly cause?: unknown;
  readonly details?: FaultDetails;
  /** How long the store asks us to wait, in milliseconds; null where it said nothing. */
  readonly retryAfterMs?: number | null;
}

/**
 * A classified failure. `message` says what happened, with names; title and remedy come from the table.
 * Thrown by drivers and use cases, caught once: by the worker, which acts on the disposition.
 */
export class Fault extends Error {
  override readonly name = 'Fault';
  readonly code: FaultCode;
  readonly details: FaultDetails;
  readonly retryAfterMs: number | null;

  constructor(code: FaultCode, message: string, options: FaultOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.details = options.details ?? {};
    this.retryAfterMs = options.retryAfterMs ?? null;
  }

  get disposition(): Disposition {
    return FAULTS[this.code].disposition;
  }
}

/** A fault as it is kept in the queue and shown by the API. */
export interface FaultRecord {
  readonly code: FaultCode;
  readonly message: string;
  readonly details: FaultDetails;
  readonly atMs: number;
}

/** The record of a fault that happened at `atMs`. */
export function recordOfFault({ code, message, details }: Fault, atMs: number): FaultRecord {
  return { code, message, details, atMs };
}

/** True for a code of the table; for reading codes back from storage or a query string. */
export function isFaultCode(value: string): value is FaultCode {
  return Object.hasOwn(FAULTS, value);
}

/** Any thrown value as a fault: a Fault stays what it is, an unknown error becomes `unexpected` with its cause. */
export function toFault(error: unknown): Fault {
  if (error instanceof Fault) return error;
  const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return new Fault('unexpected', message, { cause: error });
}
