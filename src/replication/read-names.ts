// Reads a listing page by page, the same for both sides, and trusts no order that it has not seen: a store that lists
// in another one would make every difference between two listings a lie.
import { Fault, type FaultCode } from '../core/faults.ts';
import { compareKeys } from '../core/key-order.ts';
import type { ListRequest } from '../core/object-source.ts';

/** Names of one request to a store. */
const PAGE_NAMES = 1000;

interface Named {
  readonly key: string;
}

/** A store as far as it lists. */
export interface Lister<Entry extends Named> {
  list(
    request: ListRequest,
    signal: AbortSignal,
  ): Promise<{ readonly entries: readonly Entry[]; readonly nextCursor: string | null }>;
}

/**
 * The pages of a listing, one request each; a page may be empty. `after` null: from the first name on. Throws the
 * faults of the store, and `disorder` where names do not come in the order of their bytes.
 */
export async function* readNames<Entry extends Named>(
  store: Lister<Entry>,
  {
    bucket,
    prefix,
    after,
  }: { readonly bucket: string; readonly prefix: string; readonly after: string | null },
  signal: AbortSignal,
  disorder: FaultCode = 'source_refused',
): AsyncGenerator<readonly Entry[]> {
  let cursor: string | null = null;
  let last = after;
  do {
    const page = await store.list(
      { bucket, prefix, cursor, limit: PAGE_NAMES, ...(after === null ? {} : { after }) },
      signal,
    );
    for (const { key } of page.entries) {
      if (last !== null && compareKeys(last, key) >= 0) {
        throw new Fault(
          disorder,
          `The bucket ${bucket} lists its objects in another order than that of their bytes`,
          {
            details: { bucket },
          },
        );
      }
      last = key;
    }
    cursor = page.nextCursor;
    yield page.entries;
  } while (cursor !== null);
}
