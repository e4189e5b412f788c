// The certificates of SNS, fetched once each and kept for a day. Whoever knows the name of a topic can make this service
// ask the SNS host for files that are not there, so that failures are remembered too and fetches have a budget.
import type { Clock } from '../../core/clock.ts';
import type { FetchDocument } from '../../core/fetch-document.ts';
import type { SnsTopic } from '../../core/sns-topic.ts';
import { readSigningCertificate, type SigningCertificate } from './signing-certificate.ts';

/** `isFinal` false: it could not be fetched now. `problem` is for the log. */
export type FoundCertificate =
  | { readonly certificate: SigningCertificate }
  | { readonly problem: string; readonly isFinal: boolean };

const MAX_BYTES = 32 * 1024;
const TIMEOUT_MS = 5_000;
const KEEP_MS = 86_400_000;
/** SNS sends again after 20 seconds. */
const KEEP_FAILURE_MS = 10_000;
const KEEP_WRONG_MS = 60_000;
/** One or two are in use in each region at a time. */
const MAX_KEPT = 64;
const FETCHES_PER_MINUTE = 20;
const MINUTE_MS = 60_000;

interface Kept {
  readonly found: FoundCertificate;
  readonly untilMs: number;
}

export class SigningCertificates {
  readonly #fetchDocument: FetchDocument;
  readonly #clock: Clock;
  /** By address, the one asked for longest ago first. */
  readonly #kept = new Map<string, Kept>();
  readonly #underWay = new Map<string, Promise<FoundCertificate>>();
  #fetchedAtMs: number[] = [];

  constructor(deps: { readonly fetchDocument: FetchDocument; readonly clock: Clock }) {
    this.#fetchDocument = deps.fetchDocument;
    this.#clock = deps.clock;
  }

  /** The certificate at an address that was found allowed. `topic` null: its names are not looked at. */
  async get(url: string, topic: SnsTopic | null): Promise<FoundCertificate> {
    const kept = this.#kept.get(url);
    if (kept !== undefined && this.#clock.nowMs() < kept.untilMs) return kept.found;
    const running = this.#underWay.get(url);
    if (running !== undefined) return running;
    if (!this.#mayFetch())
      return {
        problem: `more than ${FETCHES_PER_MINUTE} certificates were asked for in a minute`,
        isFinal: false,
      };
    const fetching = this.#fetch(url, topic).finally(() => this.#underWay.delete(url));
    this.#underWay.set(url, fetching);
    return fetching;
  }

  async #fetch(url: string, topic: SnsTopic | null): Promise<FoundCertificate> {
    const found = await this.#ask(url, topic);
    const nowMs = this.#clock.nowMs();
    const keepMs = 'certificate' in found ? KEEP_MS : found.isFinal ? KEEP_WRONG_MS : KEEP_FAILURE_MS;
    const endMs = 'certificate' in found ? found.certificate.validToMs : Number.POSITIVE_INFINITY;
    this.#kept.delete(url);
    this.#kept.set(url, { found, untilMs: Math.min(nowMs + keepMs, endMs) });
    this.#makeRoom();
    return found;
  }

  async #ask(url: string, topic: SnsTopic | null): Promise<FoundCertificate> {
    let answer;
    try {
      answer = await this.#fetchDocument({ url, maxBytes: MAX_BYTES, timeoutMs: TIMEOUT_MS });
    } catch (error) {
      return { problem: `it could not be fetched: ${messageOf(error)}`, isFinal: false };
    }
    if (answer.status !== 200) return { problem: `it was answered ${answer.status}`, isFinal: false };
    const read = readSigningCertificate(answer.text, topic, this.#clock.nowMs());
    return 'problem' in read ? { problem: read.problem, isFinal: true } : read;
  }

  /** A flood of wrong addresses must not push out the right ones: failures go first. */
  #makeRoom(): void {
    if (this.#kept.size <= MAX_KEPT) return;
    const oldest = [...this.#kept].find(([, { found }]) => 'problem' in found) ?? [...this.#kept][0];
    if (oldest !== undefined) this.#kept.delete(oldest[0]);
  }

  #mayFetch(): boolean {
    const nowMs = this.#clock.monotonicMs();
    this.#fetchedAtMs = this.#fetchedAtMs.filter((atMs) => nowMs - atMs < MINUTE_MS);
    if (this.#fetchedAtMs.length >= FETCHES_PER_MINUTE) return false;
    this.#fetchedAtMs.push(nowMs);
    return true;
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
