// From one message of a queue to what becomes of it. Pure over its ports: the long-running worker and the function use
// it alike. A message is acknowledged only when everything that it asks for has ended well: after the last look at each
// object, and after every message that has to follow is in the queue.
//
//   acknowledge  everything is done, or is in the queue as messages of its own
//   leave        it stays as it is, and comes back when its visibility ends: the dead-letter policy of the queue
//                decides how often. For what a person has to see: faults that would park, records nobody understands.
//                Where only some objects of a message are such, they are sent on as messages of their own.
//   give_back    nobody failed, the shell stops, or has no time and no queue to say so: it may be received again at once
//   lost         somebody else holds it by now, and does what is to be done
import type { MalformedRecord, ParsedChanges } from '../../core/change.ts';
import type { Fault } from '../../core/faults.ts';
import type { Happenings } from '../../core/happenings.ts';
import type { MessageHappenings } from '../../core/message-happenings.ts';
import { mapTarget, type Rule, ruleMatches } from '../../core/rule.ts';
import type { Carried } from './carried.ts';
import { delaySecOf } from './end-of-run.ts';
import type { HeldMessage } from './held-message.ts';
import { ObjectRuns } from './object-runs.ts';
import type { RunnerParts } from './runner-parts.ts';
import type { PartEnd } from './run-parts.ts';
import type { VersionedBuckets } from './versioned-buckets.ts';

export type MessageFate =
  | { readonly kind: 'acknowledge' }
  /** `fault`: the first of its objects that cannot go on; null where records could not be understood. */
  | { readonly kind: 'leave'; readonly fault: Fault | null }
  | { readonly kind: 'give_back' }
  | { readonly kind: 'lost' };

/** As much of a record as finds it again in the sender's log. */
const RAW_START_CHARS = 300;
const NEVER = new AbortController().signal;

export interface MessageRunnerOptions {
  readonly parts: RunnerParts;
  readonly rules: readonly Rule[];
  /** Told of versions that notifications name. */
  readonly versions: Pick<VersionedBuckets, 'seen'>;
}

export class MessageRunner {
  readonly #options: MessageRunnerOptions;
  readonly #runs: ObjectRuns;

  constructor(options: MessageRunnerOptions) {
    this.#options = options;
    this.#runs = new ObjectRuns(options.parts);
  }

  /** Works on a message until it is decided what becomes of it. Never rejects for anything a store or queue did. */
  async run(message: HeldMessage): Promise<MessageFate> {
    const { parsed, ...asked } = this.#options.parts.documents.read(message.body);
    this.#tellOthers(message, parsed);
    return this.#fateOf(message, parsed, await Promise.all(this.#bring(message, parsed, asked)));
  }

  async #fateOf(
    message: HeldMessage,
    { malformed }: ParsedChanges,
    ends: readonly PartEnd[],
  ): Promise<MessageFate> {
    if (message.isLost) return { kind: 'lost' };
    if (ends.some(({ kind }) => kind === 'interrupted')) return { kind: 'give_back' };
    const unsent = ends.find((end) => end.kind === 'unsent');
    if (unsent !== undefined) return { kind: 'leave', fault: unsent.fault };
    const left = ends.filter((end) => end.kind === 'left');
    const leftCount = left.length + malformed.length;
    if (leftCount === 0) return { kind: 'acknowledge' };
    const fault = left[0]?.fault ?? null;
    // What is wholly of that kind goes to the dead letters as it came.
    if (leftCount === ends.length + malformed.length) return { kind: 'leave', fault };
    const isSentOn = await this.#sendOn(message, malformed, left);
    return isSentOn ? { kind: 'acknowledge' } : { kind: 'leave', fault };
  }

  /** What stays goes on in messages of its own, so that the rest of this one is not done over and over. */
  async #sendOn(
    message: HeldMessage,
    malformed: readonly MalformedRecord[],
    left: readonly Extract<PartEnd, { kind: 'left' }>[],
  ): Promise<boolean> {
    const { send, documents } = this.#options.parts;
    if (send === null) return false;
    try {
      for (const { raw } of malformed) await send({ body: raw, delaySec: 0 }, NEVER);
      for (const { resend } of left) {
        const { change, carried, delayMs, ruleName } = resend;
        const body = documents.write(change, carried, 'left', ruleName);
        await send({ body, delaySec: delaySecOf(delayMs) }, NEVER);
      }
      return true;
    } catch (error) {
      this.#happenings.workerTroubled({ doing: `sending parts of message ${message.id} on`, error });
      return false;
    }
  }

  #bring(
    message: HeldMessage,
    { changes }: ParsedChanges,
    { carried, ruleName }: { readonly carried: Carried; readonly ruleName: string | null },
  ): Promise<PartEnd>[] {
    const { rules, versions } = this.#options;
    return changes.flatMap((change) => {
      const source = { bucket: change.bucket, key: change.key };
      const covering = rules.filter((rule) => ruleMatches(rule, source));
      if (covering.length === 0)
        this.#happenings.changeIgnored({ reason: 'no rule covers this object', source });
      else if (change.versionId !== null) versions.seen(change.bucket);
      // A rule that is there no more, or by another name, leaves its work to all of them.
      const named = covering.filter(({ name }) => name === ruleName);
      return (named.length > 0 ? named : covering).map((rule) => {
        const { transport } = change;
        const facts = {
          transferId: message.id,
          ruleName: rule.name,
          source,
          target: mapTarget(rule, source),
        };
        const onJoined = (joined: boolean): void =>
          this.#happenings.changeAccepted({ ...facts, transport, joined });
        return this.#runs.bring({ rule, message, change, carried, onJoined });
      });
    });
  }

  #tellOthers({ id, receiveCount }: HeldMessage, { ignored, malformed }: ParsedChanges): void {
    for (const { reason } of ignored) this.#happenings.changeIgnored({ reason, source: null });
    for (const { reason, raw } of malformed) {
      const rawStart = raw.slice(0, RAW_START_CHARS);
      this.#happenings.recordLeft({ messageId: id, receiveCount, reason, rawStart });
    }
  }

  get #happenings(): Happenings & MessageHappenings {
    return this.#options.parts.happenings;
  }
}
