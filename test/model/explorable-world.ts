// What the exhaustive search needs of a small world, whichever way that works.

/** Something that may happen next. */
export interface WorldEvent {
  readonly label: string;
  readonly run: () => Promise<void> | void;
}

export interface ExplorableWorld {
  readonly history: readonly string[];
  /** Starts everything and lets the first objects be replicated in peace. */
  begin(): Promise<void>;
  /** What may happen next, the quiet first. Nothing: the world is at rest. */
  events(): Promise<WorldEvent[]>;
  /** Lets one of them happen, and judges what came of it. Throws a Violation. */
  perform(event: WorldEvent): Promise<void>;
  /** Judges a world where nothing may happen any more. */
  requireEnd(): Promise<void>;
  /**
   * Everything that decides what may still happen and how it will be judged, as a digest. Two moments with the same
   * digest have the same futures; the argument is in exhaustive.ts.
   */
  digest(): Promise<string>;
  /** The run is over. */
  end(): void;
}
