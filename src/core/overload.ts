// Ports about too much at once: what the machine tells of itself, and what is told when changes are refused for the
// moment. A refused change was never accepted: its sender has to come again.

/** Why a request is refused for the moment. */
export type RefusalReason =
  /** Too many requests are being answered. */
  | 'requests'
  /** The bodies of the requests under way are too large together. */
  | 'body_bytes'
  /** Too many changes wait to be written to the disk. */
  | 'waiting_changes'
  /** Every connection that may be open is open, or every one that a single address may have. */
  | 'connections'
  /** A single caller hands over more than it may. */
  | 'caller_rate'
  /** The disk of the queue has less free space than its reserve. */
  | 'disk_reserve'
  /** The process itself is late. */
  | 'event_loop'
  /** The queue could not store. */
  | 'queue';

/** What the machine tells of itself. */
export interface HostSensors {
  /**
   * Bytes that the service may still write to the disk of the queue; null where that is no disk of this machine. Rejects
   * where the system does not tell.
   */
  freeDiskBytes(): Promise<number | null>;
  /** The longest time that the process was late since the call before, in milliseconds. */
  loopLagMs(): number;
}

/** No method throws or waits. */
export interface OverloadHappenings {
  intakeRefused(reason: RefusalReason): void;
  /** The first refusal, or the trouble that will cause refusals. */
  overloadBegan(event: {
    readonly reason: RefusalReason;
    readonly detail: string;
    /** What failed; undefined where nothing did. */
    readonly error?: unknown;
  }): void;
  overloadEnded(event: {
    readonly reason: RefusalReason;
    readonly refused: number;
    readonly durationMs: number;
  }): void;
  /** Told once, before changes have to be refused; and again only after there was space meanwhile. */
  diskSpaceLow(event: { readonly freeBytes: number; readonly reserveBytes: number }): void;
  /** The free space could not be read; told once until it can. */
  diskSpaceUnknown(error: unknown): void;
}
