// What a queue throws where its home cannot be reached for the moment, so that nobody has to know its driver.

/** The same may work later. The message is for the log: it may name hosts. */
export class QueueUnavailable extends Error {
  override readonly name: string = 'QueueUnavailable';
}
