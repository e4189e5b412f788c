// Port: the service that takes over what a shell without a queue of its own cannot end in the time that it has. It
// becomes a change like any other there, durable before the answer.

/**
 * Hands a notification over; resolves when the service has it durably. Throws `service_unreachable` or
 * `service_refused`, or the signal's reason.
 */
export type HandOver = (document: string, signal: AbortSignal) => Promise<void>;
