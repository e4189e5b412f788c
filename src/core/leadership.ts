// Port: which of the processes that share a queue does what only one of them should do at a time (listing runs, the
// reconcile schedule, alerts, pruning). It saves work and doubled messages; nothing that must never happen rests on
// it, because a process that lost the lead may learn of that late.

export interface Leadership {
  /** True while this process believes that it leads. */
  readonly isLeader: boolean;
  /** Calls `listener` after each change of `isLeader`. Returns the function that ends it. */
  onChange(listener: (isLeader: boolean) => void): () => void;
}

/** For a queue that one process owns. */
export const ALWAYS_LEADER: Leadership = { isLeader: true, onChange: () => () => {} };
