// What an error of the database means for what was asked: to be asked again, on another connection or the same, or not.
// Codes are SQLSTATEs: https://www.postgresql.org/docs/current/errcodes-appendix.html

/** Two transactions met: nothing was written, and the same again succeeds. */
const CONFLICTS = new Set([
  '40001', // serialization_failure
  '40P01', // deadlock_detected
  '23505', // unique_violation: another process took the first change of the object, or the same delivery
]);

/** The server is not there, not yet, or not the one that may be written. */
const NOT_THERE = new Set([
  '25006', // read_only_sql_transaction: a standby, or a server that was demoted
  '53300', // too_many_connections
  '55P03', // lock_not_available: somebody who stands still holds a row
  '57014', // query_canceled: it took longer than it may
  '57P01', // admin_shutdown
  '57P02', // crash_shutdown
  '57P03', // cannot_connect_now
  '57P04', // database_dropped
  '57P05', // idle_session_timeout
  '25P03', // idle_in_transaction_session_timeout
  '25P04', // transaction_timeout
]);

/** Thrown for a server that must not be used as it is: the message says why, and what to do. */
export class ServerRefused extends Error {
  /** True where another server may answer at the same address in a moment: a failover is under way. */
  readonly isPassing: boolean;

  constructor(message: string, isPassing: boolean) {
    super(message);
    this.name = 'ServerRefused';
    this.isPassing = isPassing;
  }
}

/** True where the same again, on a connection that works, has every chance. */
export function isPassingError(error: unknown): boolean {
  return isConflict(error) || isConnectionError(error);
}

/** True where the transaction met another one; the connection is as good as before. */
function isConflict(error: unknown): boolean {
  const code = sqlStateOf(error);
  return code !== null && CONFLICTS.has(code);
}

/** True where the server, or the way to it, failed. */
export function isConnectionError(error: unknown): boolean {
  if (error instanceof ServerRefused) return error.isPassing;
  const code = sqlStateOf(error);
  // What a server answers carries a SQLSTATE; all else comes from the socket, from timeouts and from `pg` itself.
  return code === null ? !isMistake(error) : NOT_THERE.has(code) || code.startsWith('08');
}

/** True where the server was asked about a transaction whose number it has not given to anybody yet. */
export function isUnknownNumber(error: unknown): boolean {
  // invalid_parameter_value: "transaction ID ... is in the future"
  return sqlStateOf(error) === '22023';
}

/** The SQLSTATE that the server answered; null where the error did not come from a server. */
export function sqlStateOf(error: unknown): string | null {
  if (!(error instanceof Error) || !('code' in error) || !('severity' in error)) return null;
  return typeof error.code === 'string' ? error.code : null;
}

/** Errors of this program. */
function isMistake(error: unknown): boolean {
  return error instanceof TypeError || error instanceof RangeError || error instanceof ReferenceError;
}

/** The text of an error for a sentence. */
export function reasonOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(reasonOf).join('; ');
  return error instanceof Error ? error.message : String(error);
}
