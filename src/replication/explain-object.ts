// The whole story of one source object: the rules that cover it, what both stores hold now, what the next look
// would do, and every transfer that is remembered.
import type { Clock } from '../core/clock.ts';
import { decide, type Decision } from '../core/decide.ts';
import { Fault, type FaultRecord, recordOfFault, toFault } from '../core/faults.ts';
import { encodingHint } from '../core/key-hint.ts';
import { mapMetadata } from '../core/metadata-map.ts';
import type { ObjectLocation, SourceState, TargetObject } from '../core/object.ts';
import type { ObjectSource } from '../core/object-source.ts';
import type { ObjectTarget } from '../core/object-target.ts';
import { mapTarget, type Rule, ruleMatches } from '../core/rule.ts';
import type { Outcome, Transfer } from '../core/transfer.ts';
import type { TransferQueue } from '../core/transfer-queue.ts';

/** A side as it was found, or why it could not be looked at. */
export type SideNow<Present> =
  | { readonly kind: 'present'; readonly state: Present }
  | { readonly kind: 'absent' }
  | { readonly kind: 'unknown'; readonly fault: FaultRecord };

export interface RuleExplanation {
  readonly ruleName: string;
  readonly target: ObjectLocation;
  readonly sourceNow: SideNow<SourceState>;
  readonly targetNow: SideNow<TargetObject>;
  /** What the next attempt would do, in words; null where a side is unknown. */
  readonly verdict: string | null;
  /** The outcome it would end with where nothing has to be moved; null otherwise. */
  readonly outcomeNow: Outcome | null;
  /** Newest first. */
  readonly transfers: readonly Transfer[];
}

export interface ObjectExplanation {
  readonly source: ObjectLocation;
  /** Empty where no rule covers the object; then `reason` says why. */
  readonly rules: readonly RuleExplanation[];
  readonly reason: string | null;
}

export type ExplainObject = (source: ObjectLocation, signal: AbortSignal) => Promise<ObjectExplanation>;

/** How many transfers of the object an explanation shows for each rule. */
const HISTORY_LIMIT = 50;

/** Builds the explanation over the stores as they are now; it changes nothing anywhere. */
export function createExplain(deps: {
  readonly rules: readonly Rule[];
  readonly queue: TransferQueue;
  readonly source: ObjectSource;
  readonly target: ObjectTarget;
  readonly clock: Clock;
}): ExplainObject {
  return async (source, signal) => {
    const covering = deps.rules.filter((rule) => ruleMatches(rule, source));
    const rules = await Promise.all(covering.map((rule) => explainRule(deps, rule, source, signal)));
    return { source, rules, reason: covering.length === 0 ? notCovered(deps.rules, source) : null };
  };
}

async function explainRule(
  deps: Parameters<typeof createExplain>[0],
  rule: Rule,
  source: ObjectLocation,
  signal: AbortSignal,
): Promise<RuleExplanation> {
  const target = mapTarget(rule, source);
  const history = await deps.queue.list({
    filter: { ruleName: rule.name, bucket: source.bucket, key: source.key },
    cursor: null,
    limit: HISTORY_LIMIT,
  });
  // The target first, as an attempt would.
  const targetNow = await lookAtTarget(deps, target, signal);
  const sourceNow = await lookAtSource(deps, source, signal);
  const decision = decideNow(rule, source, sourceNow, targetNow, history.transfers);
  return {
    ruleName: rule.name,
    target,
    sourceNow,
    targetNow,
    verdict: decision === null ? null : verdictOf(decision, source.key),
    outcomeNow: decision === null ? null : outcomeOf(decision),
    transfers: history.transfers,
  };
}

const VERDICTS: Record<Decision['kind'], string> = {
  agree: 'The target carries exactly the current state of the source: the next look would change nothing.',
  source_gone: 'The source has no such object, and nothing at the target is to be removed.',
  delete:
    'The source has no such object: the copy at the target would be deleted, if the delete brake lets it pass.',
  update_metadata: 'The bytes are equal: only metadata would be written, no byte would move.',
  copy: 'The target is absent or differs: the object would be copied.',
};

function verdictOf(decision: Decision, key: string): string {
  const hint = decision.kind === 'source_gone' ? encodingHint(key) : null;
  return hint === null ? VERDICTS[decision.kind] : `${VERDICTS[decision.kind]} ${hint}`;
}

function outcomeOf(decision: Decision): Outcome | null {
  if (decision.kind === 'agree') return 'already_current';
  return decision.kind === 'source_gone' ? 'source_gone' : null;
}

function decideNow(
  rule: Rule,
  source: ObjectLocation,
  sourceNow: SideNow<SourceState>,
  targetNow: SideNow<TargetObject>,
  transfers: readonly Transfer[],
): Decision | null {
  if (sourceNow.kind === 'unknown' || targetNow.kind === 'unknown') return null;
  const state = sourceNow.kind === 'present' ? sourceNow.state : null;
  const target = targetNow.kind === 'present' ? targetNow.state : null;
  const receipt = transfers.find((transfer) => transfer.receipt !== null)?.receipt ?? null;
  return decide({
    rule,
    source,
    state,
    metadataDigest: state === null ? '' : mapMetadata(state.metadata, rule.metadata).digest,
    target,
    receiptCrc32c: receipt !== null && receipt.generation === target?.generation ? receipt.crc32c : null,
  });
}

async function lookAtTarget(
  deps: { readonly target: ObjectTarget; readonly clock: Clock },
  location: ObjectLocation,
  signal: AbortSignal,
): Promise<SideNow<TargetObject>> {
  try {
    const problem = deps.target.capabilities.nameProblem(location);
    if (problem !== null) throw new Fault('name_not_storable', problem);
    const look = await deps.target.look(location, signal);
    return look.kind === 'present' ? { kind: 'present', state: look.object } : { kind: 'absent' };
  } catch (error) {
    return unknownSide(deps.clock, error, signal);
  }
}

async function lookAtSource(
  deps: { readonly source: ObjectSource; readonly clock: Clock },
  location: ObjectLocation,
  signal: AbortSignal,
): Promise<SideNow<SourceState>> {
  try {
    const look = await deps.source.look(location, signal);
    return look.kind === 'present' ? { kind: 'present', state: look.state } : { kind: 'absent' };
  } catch (error) {
    return unknownSide(deps.clock, error, signal);
  }
}

function unknownSide(
  clock: Clock,
  error: unknown,
  signal: AbortSignal,
): { kind: 'unknown'; fault: FaultRecord } {
  signal.throwIfAborted();
  return { kind: 'unknown', fault: recordOfFault(toFault(error), clock.nowMs()) };
}

function notCovered(rules: readonly Rule[], source: ObjectLocation): string {
  const ofBucket = rules.filter((rule) => rule.source.bucket === source.bucket || rule.source.bucket === '*');
  if (ofBucket.length === 0) return `No rule replicates the bucket ${source.bucket}.`;
  const filters = ofBucket
    .map((rule) => `${rule.name} (${rule.source.prefix}*${rule.source.suffix})`)
    .join(', ');
  return `The rules of this bucket cover other keys: ${filters}.`;
}
