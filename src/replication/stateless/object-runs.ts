// Messages of one object and rule meet here: within a process there is never more than one attempt at an object at a
// time, and whoever comes in time shares it.
import { mapTarget, type Rule } from '../../core/rule.ts';
import type { ObjectLocation } from '../../core/object.ts';
import type { Change } from '../../core/change.ts';
import type { Carried } from './carried.ts';
import type { HeldMessage } from './held-message.ts';
import { ObjectRun } from './object-run.ts';
import { EndOfRun } from './end-of-run.ts';
import type { PartEnd, RunPart } from './run-parts.ts';
import type { RunnerParts } from './runner-parts.ts';

const CROWDED_MS = 60_000;

export class ObjectRuns {
  readonly #parts: RunnerParts;
  readonly #runs = new Map<string, ObjectRun>();

  constructor(parts: RunnerParts) {
    this.#parts = parts;
  }

  /** Brings an object to its end for one message. `onJoined` is told at once whether it shares the work of others. */
  async bring(request: {
    readonly rule: Rule;
    readonly message: HeldMessage;
    readonly change: Change;
    readonly carried: Carried;
    readonly onJoined: (joined: boolean) => void;
  }): Promise<PartEnd> {
    const { rule, change, onJoined, ...part } = request;
    const source: ObjectLocation = { bucket: change.bucket, key: change.key };
    const name = JSON.stringify([rule.name, source.bucket, source.key]);
    const known = this.#runs.get(name);
    if (known?.isCrowded === true) {
      onJoined(true);
      return this.#later(rule, { ...part, change, resolve: () => {} });
    }
    return new Promise((resolve) => {
      if (known !== undefined) {
        onJoined(known.join({ ...part, change, resolve }));
        return;
      }
      const run = new ObjectRun(this.#parts, rule, source);
      this.#runs.set(name, run);
      onJoined(run.join({ ...part, change, resolve }));
      void run.run(() => void this.#runs.delete(name));
    });
  }

  /** A copy of the message waits in the queue instead of here. */
  async #later(rule: Rule, part: RunPart): Promise<PartEnd> {
    const source: ObjectLocation = { bucket: part.change.bucket, key: part.change.key };
    const ref = { transferId: part.message.id, ruleName: rule.name, source, target: mapTarget(rule, source) };
    const sent = await new EndOfRun(this.#parts).later(
      { ref, joined: [part] },
      CROWDED_MS,
      part.carried,
      null,
    );
    return typeof sent === 'number' ? { kind: 'settled' } : sent;
  }
}
