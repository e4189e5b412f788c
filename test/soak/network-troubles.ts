// What goes wrong between the service and the stores during a soak, drawn from the seed: refusals, cuts, stalls, lost
// and late answers, flipped bits, short outages, a permission taken away for a while.
import type { FaultEffect, ScriptedFault } from '../../sandbox/scripted-faults.ts';
import type { TwoClouds } from '../../sandbox/two-clouds.ts';
import { gcsError, s3Error } from '../faults/pipeline.ts';
import type { Choices } from '../model/choices.ts';
import { SOURCE_BUCKET } from '../system/service-under-test.ts';

/** More would keep every request from succeeding. */
const MAX_PENDING = 12;
const LONGEST_OUTAGE_MS = 4_000;
/** The JSON part of a multipart insert is shorter: a flipped bit behind it is one of the object. */
const BEHIND_METADATA_BYTES = 8 * 1024;
const KIB = 1024;

export class NetworkTroubles {
  /** What was scripted, by kind. */
  readonly counts = new Map<string, number>();
  readonly #clouds: TwoClouds;
  readonly #choices: Choices;
  readonly #ends = new Set<NodeJS.Timeout>();

  constructor(clouds: TwoClouds, choices: Choices) {
    this.#clouds = clouds;
    this.#choices = choices;
  }

  /** Scripts the next trouble. */
  addOne(): void {
    const choices = this.#choices;
    switch (choices.weighted([60, 60, 2, 1])) {
      case 0:
        this.#script('s3', this.#sourceFault());
        return;
      case 1:
        this.#script('gcs', this.#targetFault());
        return;
      case 2:
        this.#outage(choices.chance(500) ? 's3' : 'gcs');
        return;
      default:
        this.#losePermission();
    }
  }

  /** Everything is well from now on. */
  end(): void {
    for (const end of this.#ends) clearTimeout(end);
    this.#clouds.s3.faults.clear();
    this.#clouds.gcs.faults.clear();
    this.#clouds.s3.denyReads(SOURCE_BUCKET, false);
  }

  #script(store: 's3' | 'gcs', fault: ScriptedFault): void {
    const { faults } = this.#clouds[store];
    if (faults.pending >= MAX_PENDING) return;
    const { effect } = fault;
    this.#count(`${store} ${effect.kind}${effect.kind === 'status' ? ` ${effect.status}` : ''}`);
    faults.add(fault);
  }

  #sourceFault(): ScriptedFault {
    const { pick, someBytes } = this.#draws();
    const effect = this.#choices.oneOf<FaultEffect>([
      s3Error(503, 'SlowDown'),
      s3Error(500, 'InternalError'),
      s3Error(400, 'RequestTimeout'),
      { kind: 'status', status: 504 },
      { kind: 'cut_response', afterBytes: someBytes },
      { kind: 'cut_response', afterBytes: 0 },
      { kind: 'stall_response', afterBytes: someBytes },
      { kind: 'corrupt_response', atByte: someBytes },
      { kind: 'lose_answer' },
      { kind: 'latency', ms: pick(800) },
    ]);
    // A list of the bucket is no read of an object; its bits and lengths are not hashed.
    return { match: { path: `/${SOURCE_BUCKET}/folder` }, effect };
  }

  #targetFault(): ScriptedFault {
    const { pick, someBytes } = this.#draws();
    const choices = this.#choices;
    if (choices.chance(150)) {
      const isInsert = choices.chance(500);
      return {
        match: isInsert
          ? { method: 'POST', query: 'uploadType=multipart' }
          : { method: 'PUT', query: 'upload_id' },
        effect: {
          kind: 'corrupt_request',
          atByte: isInsert ? BEHIND_METADATA_BYTES + pick(16 * KIB) : someBytes,
        },
      };
    }
    const effect = choices.oneOf<FaultEffect>([
      gcsError(503, 'backendError', 'scripted'),
      gcsError(429, 'rateLimitExceeded', 'scripted'),
      gcsError(500, 'backendError', 'scripted'),
      { kind: 'status', status: 502 },
      { kind: 'status', status: 408 },
      { kind: 'cut_request', afterBytes: someBytes },
      { kind: 'cut_response', afterBytes: pick(200) },
      { kind: 'stall_request', afterBytes: someBytes },
      { kind: 'stall_response', afterBytes: pick(200) },
      { kind: 'lose_answer' },
      { kind: 'replace_answer', status: 503 },
      { kind: 'latency', ms: pick(800) },
    ]);
    return { match: {}, effect };
  }

  #draws(): { pick: (count: number) => number; someBytes: number } {
    const pick = (count: number): number => this.#choices.pick(count);
    return { pick, someBytes: pick(3) === 0 ? pick(2_000 * KIB) : pick(40 * KIB) };
  }

  /** Every request to one store is refused; then nothing is scripted for it any more. */
  #outage(store: 's3' | 'gcs'): void {
    const { faults } = this.#clouds[store];
    const effect = store === 's3' ? s3Error(503, 'SlowDown') : gcsError(503, 'backendError', 'scripted');
    faults.clear();
    faults.add({ match: {}, effect, times: Number.POSITIVE_INFINITY });
    this.#count(`${store} outage`);
    this.#after(() => faults.clear());
  }

  #losePermission(): void {
    this.#clouds.s3.denyReads(SOURCE_BUCKET, true);
    this.#count('s3 permission lost');
    this.#after(() => this.#clouds.s3.denyReads(SOURCE_BUCKET, false));
  }

  #after(end: () => void): void {
    const timer = setTimeout(() => {
      this.#ends.delete(timer);
      end();
    }, this.#choices.pick(LONGEST_OUTAGE_MS));
    this.#ends.add(timer);
  }

  #count(what: string): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + 1);
  }
}
