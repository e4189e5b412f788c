// The client that announces changes, as a bucket with a forwarder does: at least once, again and again until it is
// answered with 2xx, also while the service is down. What it gives up was never promised to it.
import { setTimeout as sleep } from 'node:timers/promises';
import { SOURCE_BUCKET } from '../system/service-under-test.ts';
import type { History } from './history.ts';
import type { Ledger } from './ledger.ts';

const PAUSE_MS = 40;

export interface Change {
  readonly key: string;
  readonly event: 'ObjectCreated:Put' | 'ObjectRemoved:Delete';
  /** Null: the notification carries none. */
  readonly sizeBytes: number | null;
  /** True: listings of both sides, which tell no metadata and whole seconds, may not show it. */
  readonly isUnseenByListings: boolean;
}

export class EventClient {
  readonly counts = { posts: 0, accepted: 0, unanswered: 0, refused: 0, givenUp: 0 };
  /** Every transfer that an answer named. */
  readonly transferIds = new Set<string>();
  readonly #url: () => string | null;
  readonly #ledger: Ledger;
  readonly #history: History;
  readonly #underWay = new Set<Promise<unknown>>();

  /**
   * `url` is asked at each try: the service comes back under another address. Null where it is down: nothing is posted
   * to an address that it had, which by now may be that of somebody else.
   */
  constructor(url: () => string | null, ledger: Ledger, history: History) {
    this.#url = url;
    this.#ledger = ledger;
    this.#history = history;
  }

  /**
   * Posts one document with these changes until it is accepted, `tries` times at most. Resolves with whether it was;
   * `onAccepted` is called in the step in which the answer is read; `idle` waits for everything.
   */
  announce(
    changes: readonly Change[],
    tries = Number.POSITIVE_INFINITY,
    onAccepted: () => void = () => {},
  ): Promise<boolean> {
    const work = this.#postUntilAccepted(changes, tries, onAccepted).finally(() =>
      this.#underWay.delete(work),
    );
    this.#underWay.add(work);
    return work;
  }

  /** Resolves when nothing is under way any more. */
  async idle(): Promise<void> {
    while (this.#underWay.size > 0) await Promise.all(this.#underWay);
  }

  async #postUntilAccepted(
    changes: readonly Change[],
    tries: number,
    onAccepted: () => void,
  ): Promise<boolean> {
    for (let left = tries; left > 0;) {
      const url = this.#url();
      if (url !== null) {
        left -= 1;
        if (await this.#post(url, changes)) {
          onAccepted();
          return true;
        }
      }
      await sleep(PAUSE_MS);
    }
    this.counts.givenUp += 1;
    return false;
  }

  async #post(url: string, changes: readonly Change[]): Promise<boolean> {
    const announced = changes.map(({ key }) => ({ key, version: this.#ledger.writtenVersion(key) }));
    this.counts.posts += 1;
    let answer: { readonly status: number; readonly body: unknown };
    try {
      const response = await fetch(`${url}/v1/events`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(documentOf(changes)),
      });
      answer = { status: response.status, body: await response.json() };
    } catch {
      // No answer, or half of one: it proves nothing, and the change is announced again.
      this.counts.unanswered += 1;
      return false;
    }
    if (answer.status !== 202) {
      this.counts.refused += 1;
      return false;
    }
    const { accepted, transfers } = answer.body as { accepted: number; transfers: { id: string }[] };
    if (accepted !== changes.length)
      throw new Error(`202 for ${changes.length} changes accounts for ${accepted}`);
    this.counts.accepted += changes.length;
    const ids = transfers.map(({ id }) => id);
    for (const id of ids) this.transferIds.add(id);
    for (const { key, version } of announced) {
      this.#ledger.noteAccepted(key, version);
      this.#history.note(`accepted at ${url}: version ${version} of ${key} in ${ids.join(', ')}`);
    }
    return true;
  }
}

function documentOf(changes: readonly Change[]): object {
  return {
    Records: changes.map(({ key, event, sizeBytes }) => ({
      eventVersion: '2.1',
      eventSource: 'aws:s3',
      awsRegion: 'us-east-1',
      eventTime: new Date().toISOString(),
      eventName: event,
      s3: {
        s3SchemaVersion: '1.0',
        bucket: { name: SOURCE_BUCKET, arn: `arn:aws:s3:::${SOURCE_BUCKET}` },
        object: {
          key: encodeURIComponent(key).replaceAll('%20', '+').replaceAll('%2F', '/'),
          ...(sizeBytes === null ? {} : { size: sizeBytes }),
        },
      },
    })),
  };
}
