// The certificates of SNS, fetched once each and kept for a day, longer while SNS cannot be asked. Whoever knows the name
// of a topic can make this service ask the SNS host for files that are not there, so that failures are remembered too
// and fetches have a budget.
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

/** One that cannot be asked for again is believed for so long beyond its day: SNS gives a message up within minutes. */
const LAST_RESORT_MS = 6 * 86_400_000;

interface Kept {
  readonly found: FoundCertificate;
  readonly untilMs: number;
  /** Until then it serves while SNS cannot be asked; 0 for what is no certificate. */
  readonly lastResortUntilMs: number;
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
      return (
        this.#lastResort(url)?.found ?? {
          problem: `more than ${FETCHES_PER_MINUTE} certificates were asked for in a minute`,
          isFinal: false,
        }
      );
    const fetching = this.#fetch(url, topic).finally(() => this.#underWay.delete(url));
    this.#underWay.set(url, fetching);
    return fetching;
  }

  async #fetch(url: string, topic: SnsTopic | null): Promise<FoundCertificate> {
    const { found, wasAnswered } = await this.#ask(url, topic);
    const nowMs = this.#clock.nowMs();
    const last = wasAnswered ? null : this.#lastResort(url);
    this.#kept.delete(url);
    this.#kept.set(url, last === null ? keptOf(found, nowMs) : { ...last, untilMs: nowMs + KEEP_FAILURE_MS });
    this.#makeRoom();
    return last?.found ?? found;
  }

  #lastResort(url: string): Kept | null {
    const kept = this.#kept.get(url);
    return kept !== undefined && this.#clock.nowMs() < kept.lastResortUntilMs ? kept : null;
  }

  /** `wasAnswered` false: SNS said nothing about the file. */
  async #ask(
    url: string,
    topic: SnsTopic | null,
  ): Promise<{ readonly found: FoundCertificate; readonly wasAnswered: boolean }> {
    let answer;
    try {
      answer = await this.#fetchDocument({ url, maxBytes: MAX_BYTES, timeoutMs: TIMEOUT_MS });
    } catch (error) {
      const problem = `it could not be fetched: ${messageOf(error)}`;
      return { found: { problem, isFinal: false }, wasAnswered: false };
    }
    const { status, text } = answer;
    if (status !== 200) {
      const found = { problem: `it was answered ${status}`, isFinal: false };
      return { found, wasAnswered: status < 500 && status !== 429 };
    }
    const read = readSigningCertificate(text, topic, this.#clock.nowMs());
    return { found: 'problem' in read ? { problem: read.problem, isFinal: true } : read, wasAnswered: true };
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

function keptOf(found: FoundCertificate, nowMs: number): Kept {
  if ('problem' in found) {
    const keepMs = found.isFinal ? KEEP_WRONG_MS : KEEP_FAILURE_MS;
    return { found, untilMs: nowMs + keepMs, lastResortUntilMs: 0 };
  }
  const { validToMs } = found.certificate;
  const untilMs = Math.min(nowMs + KEEP_MS, validToMs);
  return { found, untilMs, lastResortUntilMs: Math.min(untilMs + LAST_RESORT_MS, validToMs) };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
