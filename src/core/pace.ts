// When an answer comes too slowly to wait for its end: a connection that delivers a byte now and then is never idle, and
// would hold whoever waits for it for days.

const MIN_BYTES_PER_SEC = 1_024;

/** True once `bytes` took longer than a first `idleMs` and a slow line would have taken. All since the first byte. */
export function isCreeping(elapsedMs: number, bytes: number, idleMs: number): boolean {
  return elapsedMs > idleMs + (bytes / MIN_BYTES_PER_SEC) * 1_000;
}
