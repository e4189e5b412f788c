// What the exit code of a command says, for scripts.
import { type FaultCode, isFaultCode } from '../core/faults.ts';

export const EXIT = {
  ok: 0,
  failure: 1,
  usage: 2,
  partial: 3,
  /** EX_TEMPFAIL of sysexits: the same command may work later. */
  temporary: 75,
  /** 128 + SIGINT. */
  interrupted: 130,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** How a command ends whose one transfer is parked with this fault: temporary where waiting alone may help. */
export const EXIT_CODE_OF_FAULT: Record<FaultCode, ExitCode> = {
  source_throttled: EXIT.temporary,
  source_error: EXIT.temporary,
  source_unavailable: EXIT.temporary,
  source_unreachable: EXIT.temporary,
  source_read_broken: EXIT.temporary,
  source_checksum_mismatch: EXIT.failure,
  source_changing: EXIT.temporary,
  target_throttled: EXIT.temporary,
  target_error: EXIT.temporary,
  target_unavailable: EXIT.temporary,
  target_unreachable: EXIT.temporary,
  target_checksum_mismatch: EXIT.failure,
  target_answer_mismatch: EXIT.failure,
  upload_session_lost: EXIT.temporary,
  credentials_expired: EXIT.temporary,
  credentials_unavailable: EXIT.temporary,
  credentials_invalid: EXIT.failure,
  clock_skewed: EXIT.failure,
  access_denied: EXIT.failure,
  key_access_denied: EXIT.failure,
  customer_key_needed: EXIT.failure,
  object_archived: EXIT.failure,
  requester_pays: EXIT.failure,
  source_bucket_missing: EXIT.failure,
  target_bucket_missing: EXIT.failure,
  wrong_region: EXIT.failure,
  source_refused: EXIT.failure,
  target_refused: EXIT.failure,
  name_not_storable: EXIT.failure,
  reserved_name: EXIT.failure,
  too_large: EXIT.failure,
  metadata_too_large: EXIT.failure,
  retention_blocked: EXIT.failure,
  quota_exhausted: EXIT.failure,
  not_comparable: EXIT.failure,
  queue_unavailable: EXIT.temporary,
  queue_denied: EXIT.failure,
  queue_missing: EXIT.failure,
  queue_refused: EXIT.failure,
  time_too_short: EXIT.failure,
  service_unreachable: EXIT.temporary,
  service_refused: EXIT.failure,
  delete_brake: EXIT.failure,
  rule_missing: EXIT.failure,
  unexpected: EXIT.failure,
  bug: EXIT.failure,
};

/** The exit code of a fault as a service names it, which may be newer than this command. */
export function exitCodeOfFault(code: string): ExitCode {
  return isFaultCode(code) ? EXIT_CODE_OF_FAULT[code] : EXIT.failure;
}

/** The exit code of an HTTP status that is no success. */
export function exitCodeOfStatus(status: number): ExitCode {
  if (status === 400) return EXIT.usage;
  return [408, 429, 502, 503, 504].includes(status) ? EXIT.temporary : EXIT.failure;
}

/** The end of a command that failed, as it is told to the person or, with --json, to the script. */
export class CliFailure extends Error {
  override readonly name = 'CliFailure';
  readonly exitCode: ExitCode;
  readonly code: string;
  /** What to do about it; null where the message says it. */
  readonly remedy: string | null;

  constructor(exitCode: ExitCode, code: string, message: string, remedy: string | null = null) {
    super(message);
    this.exitCode = exitCode;
    this.code = code;
    this.remedy = remedy;
  }
}
