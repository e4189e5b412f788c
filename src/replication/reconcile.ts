// Reconcile: what the two listings say differently, and that nothing is under way for. It only marks keys: whether
// there is anything to do is decided by the looks of the transfer.
import type { Clock } from '../core/clock.ts';
import { compareListed, type ListedVerdict } from '../core/compare-listed.ts';
import { ownStamp } from '../core/decide.ts';
import type { TargetObject } from '../core/object.ts';
import type { ObjectTarget } from '../core/object-target.ts';
import type { Rule } from '../core/rule.ts';
import { readStamp } from '../core/stamp.ts';
import type { TransferQueue } from '../core/transfer-queue.ts';
import type { ScanRequest } from './backfill.ts';
import { type ListedPair, type ListedStores, mergeListings } from './merge-listings.ts';
import { readNames } from './read-names.ts';
import type { Found, ScanPage } from './run.ts';

interface ReconcileDeps extends ListedStores {
  readonly queue: TransferQueue;
  readonly clock: Clock;
}

/** A notification may be on its way so long. What changed since is looked at, and does not count as lost. */
const ON_ITS_WAY_MS = 120_000;
/**
 * A transfer that began so long after the source object's own time has seen that very state, whatever the clocks of
 * the two clouds and ours differ by.
 */
const CLOCKS_DIFFER_MS = 600_000;
/** Questions to the queue before everybody else gets a turn. */
const QUESTIONS_AT_ONCE = 50;

/** The differences of one bucket, in steps; every step tells how far the listings are read. */
export async function* scanDifferences(
  deps: ReconcileDeps,
  request: ScanRequest,
  signal: AbortSignal,
): AsyncGenerator<ScanPage> {
  for await (const { after, pairs } of mergeListings(deps, request, signal)) {
    const differences = new Differences(deps, request);
    for (const pair of pairs) await differences.add(pair, signal);
    const { found, listed, held, pending, kept } = differences;
    yield { after, found, counts: { listed, held, pending, kept } };
  }
}

/** What one step finds. */
class Differences {
  readonly found: Found[] = [];
  listed = 0;
  held = 0;
  pending = 0;
  kept = 0;
  readonly #deps: ReconcileDeps;
  readonly #rule: Rule;
  readonly #bucket: string;
  #questions = 0;

  constructor(deps: ReconcileDeps, { rule, bucket }: ScanRequest) {
    this.#deps = deps;
    this.#rule = rule;
    this.#bucket = bucket;
  }

  async add(pair: ListedPair, signal: AbortSignal): Promise<void> {
    const { key, entry, object } = pair;
    const verdict = compareListed(this.#rule, { bucket: this.#bucket, key }, entry, object);
    if (entry !== null) this.listed += 1;
    if (isOurs(verdict)) this.held += 1;
    if (verdict.kind === 'equal' || verdict.kind === 'not_ours') return;
    const isFresh = changedAtMs(pair) > this.#deps.clock.nowMs() - ON_ITS_WAY_MS;
    if (verdict.kind === 'orphan' && !verdict.isDeletable) {
      if (!isFresh) this.kept += 1;
      return;
    }
    const answer = await this.#ask(pair, verdict, signal);
    if (answer === 'pending') this.pending += 1;
    if (answer !== 'unknown') return;
    this.found.push({ key, sizeBytes: entry?.sizeBytes ?? null, kind: verdict.kind, isFresh });
  }

  /**
   * What the queue knows of the difference. `pending`: a transfer will look at it, or is parked, and to feed it again
   * would only try in vain. `examined`: a transfer looked at exactly these states and found nothing to do, so that
   * the listing tells something in another way than a look does.
   */
  async #ask(
    { key, entry, object }: ListedPair,
    verdict: ListedVerdict,
    signal: AbortSignal,
  ): Promise<'pending' | 'examined' | 'unknown'> {
    const { queue, clock } = this.#deps;
    this.#questions += 1;
    if (this.#questions % QUESTIONS_AT_ONCE === 0) await clock.sleep(0, signal);
    const filter = { ruleName: this.#rule.name, bucket: this.#bucket, key };
    // The live one is among the newest: what ended beside it is of the same moment.
    const { transfers } = await queue.list({ filter, cursor: null, limit: 3 });
    if (transfers.some(({ status }) => status !== 'done')) return 'pending';
    if (verdict.kind !== 'different' || verdict.because !== 'state' || entry === null) return 'unknown';
    const [newest] = transfers;
    const receipt = newest?.receipt ?? null;
    if (newest === undefined || receipt === null) return 'unknown';
    const isOfTheseStates =
      receipt.etag === entry.etag &&
      receipt.sizeBytes === entry.sizeBytes &&
      receipt.generation === object?.generation &&
      newest.createdAtMs > entry.lastModifiedMs + CLOCKS_DIFFER_MS;
    return isOfTheseStates ? 'examined' : 'unknown';
  }
}

function isOurs(verdict: ListedVerdict): boolean {
  if (verdict.kind === 'equal' || verdict.kind === 'orphan') return true;
  return verdict.kind === 'different' && verdict.because !== 'foreign';
}

/** When the source object changed last, as far as either side tells. */
function changedAtMs({ entry, object }: ListedPair): number {
  const stampedMs = object === null ? null : (readStamp(object.metadata)?.lastModifiedMs ?? null);
  return Math.max(entry?.lastModifiedMs ?? 0, stampedMs ?? 0);
}

/**
 * The source buckets of a rule for every bucket: those that have an object of ours at the target, where the bucket's
 * name stands before the key. A bucket that nothing was ever copied from is not found.
 */
export async function findBuckets(
  target: Pick<ObjectTarget, 'list'>,
  rule: Rule,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const { bucket, prefix } = rule.target;
  const found: string[] = [];
  let after: string | null = null;
  for (;;) {
    const page = await firstPage(target, { bucket, prefix, after }, signal);
    const [first] = page;
    if (first === undefined) return found;
    const name = bucketIn(first.key, prefix);
    if (name === null) {
      // Somebody else's. The next folder may begin on the same page.
      const next = page.findIndex(({ key }) => bucketIn(key, prefix) !== null);
      after = (next > 0 ? page[next - 1] : page.at(-1))?.key ?? first.key;
      continue;
    }
    if (await holdsOurs(target, { bucket, prefix }, name, signal)) found.push(name);
    // The character behind the slash: whatever lies between begins with this bucket's name and a slash.
    after = `${prefix}${name}0`;
  }
}

/** True where something below the bucket's name was copied from it, whatever others keep in front of that. */
async function holdsOurs(
  target: Pick<ObjectTarget, 'list'>,
  { bucket, prefix }: { readonly bucket: string; readonly prefix: string },
  name: string,
  signal: AbortSignal,
): Promise<boolean> {
  const place = { bucket, prefix: `${prefix}${name}/`, after: null };
  for await (const page of readNames(target, place, signal, 'target_refused'))
    if (page.some(({ key, object }) => isFromBucket(key, object, prefix, name))) return true;
  return false;
}

async function firstPage(
  target: Pick<ObjectTarget, 'list'>,
  place: { readonly bucket: string; readonly prefix: string; readonly after: string | null },
  signal: AbortSignal,
): Promise<readonly { readonly key: string; readonly object: TargetObject }[]> {
  for await (const page of readNames(target, place, signal, 'target_refused'))
    if (page.length > 0) return page;
  return [];
}

/** The name of a bucket in front of a key; null where none can be there. */
function bucketIn(targetKey: string, prefix: string): string | null {
  return /^([a-z0-9.-]{3,63})\//.exec(targetKey.slice(prefix.length))?.[1] ?? null;
}

function isFromBucket(targetKey: string, object: TargetObject, prefix: string, bucket: string): boolean {
  const folder = `${prefix}${bucket}/`;
  if (!targetKey.startsWith(folder)) return false;
  return ownStamp({ bucket, key: targetKey.slice(folder.length) }, object) !== null;
}
