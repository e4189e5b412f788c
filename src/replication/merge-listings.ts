// Two listings side by side, in one stream of keys. Both are in the order of their bytes and a rule keeps that order,
// so that memory holds one page of each, however many objects there are.
import { compareKeys } from '../core/key-order.ts';
import type { TargetObject } from '../core/object.ts';
import type { ObjectSource, SourceListEntry } from '../core/object-source.ts';
import type { ObjectTarget } from '../core/object-target.ts';
import { prefixesOf, RESERVED_PREFIX, ruleMatches } from '../core/rule.ts';
import type { ScanRequest } from './backfill.ts';
import { readNames } from './read-names.ts';

/** Both sides, as far as they list. */
export interface ListedStores {
  readonly source: Pick<ObjectSource, 'list'>;
  readonly target: Pick<ObjectTarget, 'list'>;
}

/** One source key that the rule covers, and what each side lists for it; never null on both. */
export interface ListedPair {
  readonly key: string;
  readonly entry: SourceListEntry | null;
  readonly object: TargetObject | null;
}

/** A step: the pairs up to and with the source key `after`. It may have none. */
export interface ListedStep {
  readonly after: string;
  readonly pairs: readonly ListedPair[];
}

/** Keys of one step, at most. */
const STEP_KEYS = 1000;

/**
 * Merges what the source lists with what the target lists under the mapped names. The source's page is read before
 * the target's: an object that is written and copied in between is then on both. Throws the faults of the stores.
 */
export async function* mergeListings(
  stores: ListedStores,
  request: ScanRequest,
  signal: AbortSignal,
  stepKeys = STEP_KEYS,
): AsyncGenerator<ListedStep> {
  const { rule, bucket, prefix, after } = request;
  await using source = new Names(sourceNames(stores.source, request, signal));
  await using target = new Names(targetNames(stores.target, request, signal));
  const isCovered = (key: string): boolean => ruleMatches(rule, { bucket, key });
  let last = after;
  for (;;) {
    const pairs: ListedPair[] = [];
    let seen = 0;
    for (; seen < stepKeys; seen += 1) {
      const entry = await source.peek();
      const found = await target.peek();
      if (entry === null && found === null) break;
      const order = orderOf(entry, found);
      const key = order <= 0 ? entry?.key : found?.key;
      if (key === undefined) throw new Error('Neither side has a key');
      if (order <= 0) source.take();
      if (order >= 0) target.take();
      last = key;
      if (isCovered(key) && key.startsWith(prefix))
        pairs.push({
          key,
          entry: order <= 0 ? entry : null,
          object: order >= 0 ? (found?.object ?? null) : null,
        });
    }
    if (seen === 0 || last === null) return;
    yield { after: last, pairs };
  }
}

function orderOf(entry: SourceListEntry | null, found: MappedEntry | null): number {
  if (found === null) return -1;
  return entry === null ? 1 : compareKeys(entry.key, found.key);
}

/** An object at the target under the source key that the rule would map to its name. */
interface MappedEntry {
  readonly key: string;
  readonly object: TargetObject;
}

function sourceNames(
  source: ListedStores['source'],
  { bucket, prefix, after }: ScanRequest,
  signal: AbortSignal,
): AsyncGenerator<readonly SourceListEntry[]> {
  return readNames(source, { bucket, prefix, after }, signal);
}

async function* targetNames(
  target: ListedStores['target'],
  { rule, bucket, prefix, after }: ScanRequest,
  signal: AbortSignal,
): AsyncGenerator<readonly MappedEntry[]> {
  const { fromPrefix, toPrefix } = prefixesOf(rule, bucket);
  const nameOf = (key: string): string => toPrefix + key.slice(fromPrefix.length);
  const listing = {
    bucket: rule.target.bucket,
    prefix: nameOf(prefix),
    after: after === null ? null : nameOf(after),
  };
  for await (const page of readNames(target, listing, signal, 'target_refused')) {
    yield page
      .filter(({ key }) => !key.startsWith(RESERVED_PREFIX))
      .map(({ key, object }) => ({ key: fromPrefix + key.slice(toPrefix.length), object }));
  }
}

/** The entries of a listing one by one; a page is asked for when the one before is used up. */
class Names<Entry> {
  readonly #pages: AsyncGenerator<readonly Entry[]>;
  #page: readonly Entry[] = [];
  #next = 0;
  #isAtEnd = false;

  constructor(pages: AsyncGenerator<readonly Entry[]>) {
    this.#pages = pages;
  }

  /** The next entry, which stays the next one; null at the end. */
  async peek(): Promise<Entry | null> {
    while (this.#next >= this.#page.length && !this.#isAtEnd) {
      const step = await this.#pages.next();
      if (step.done === true) this.#isAtEnd = true;
      else [this.#page, this.#next] = [step.value, 0];
    }
    return this.#page[this.#next] ?? null;
  }

  take(): void {
    this.#next += 1;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#pages.return(undefined);
  }
}
