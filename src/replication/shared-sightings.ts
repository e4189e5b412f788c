// What each of the processes that share a queue sees by itself: its stores, its message queue, its disk. One that does
// not lead leaves it in a note of its own, for whoever leads to tell: the leader may be one that asks no store at all.
import type { Clock } from '../core/clock.ts';
import type { DurableNotes } from '../core/durable-notes.ts';
import { type FaultRecord, isFaultCode } from '../core/faults.ts';
import type { AlertFacts } from './alert-conditions.ts';
import { fieldOf, jsonOf } from './note-json.ts';

/** What only the process itself can tell. */
export type Sighting = Pick<AlertFacts, 'stores' | 'messageQueue' | 'diskProblem'>;

const PREFIX = 'alerts/seen/';
/** A process that has not written for so long is gone, or sees nothing wrong and could not say so. */
const STALE_MS = 60_000;

export class SharedSightings {
  readonly #notes: DurableNotes;
  readonly #clock: Clock;
  readonly #ownName: string;
  /** Of each note of another process the version, and since when it has it: clocks of machines differ. */
  readonly #known = new Map<string, { readonly version: number; readonly sinceMs: number }>();

  /** `processId`: unlike that of any other process. */
  constructor(deps: { readonly notes: DurableNotes; readonly clock: Clock; readonly processId: string }) {
    this.#notes = deps.notes;
    this.#clock = deps.clock;
    this.#ownName = PREFIX + deps.processId;
  }

  /** Says what this process sees; to be said again every few seconds. Rejects where the notes cannot be written. */
  async leave(own: Sighting): Promise<void> {
    const note = await this.#notes.read(this.#ownName);
    if (isSomethingWrong(own))
      await this.#notes.write(this.#ownName, JSON.stringify(own), note?.version ?? null);
    else if (note !== null) await this.#notes.remove(this.#ownName, note.version);
  }

  /** What this process sees, and what the others say. Rejects where the notes cannot be read. */
  async joined(own: Sighting): Promise<Sighting> {
    const nowMs = this.#clock.monotonicMs();
    const all: Sighting[] = [own];
    const found = await this.#notes.list(PREFIX);
    const names = new Set(found.map(({ name }) => name));
    for (const name of this.#known.keys()) if (!names.has(name)) this.#known.delete(name);
    for (const { name, version, value } of found) {
      const known = this.#known.get(name);
      const sinceMs = known?.version === version ? known.sinceMs : nowMs;
      this.#known.set(name, { version, sinceMs });
      if (name === this.#ownName || nowMs - sinceMs >= STALE_MS) await this.#notes.remove(name, version);
      else all.push(sightingOf(value));
    }
    return {
      stores: all.flatMap(({ stores }) => stores).filter(isFirstDown),
      messageQueue: all.find(({ messageQueue }) => messageQueue !== null)?.messageQueue ?? null,
      diskProblem: all.find(({ diskProblem }) => diskProblem !== null)?.diskProblem ?? null,
    };
  }
}

/** Several may see the same store down: it is one trouble. */
function isFirstDown(
  { store, down }: Sighting['stores'][number],
  index: number,
  all: Sighting['stores'],
): boolean {
  return down !== null && all.findIndex((other) => other.store === store && other.down !== null) === index;
}

function isSomethingWrong({ stores, messageQueue, diskProblem }: Sighting): boolean {
  return stores.some(({ down }) => down !== null) || messageQueue !== null || diskProblem !== null;
}

function sightingOf(text: string): Sighting {
  const said = jsonOf(text);
  const stores = fieldOf(said, 'stores');
  const diskProblem = fieldOf(said, 'diskProblem');
  return {
    stores: (Array.isArray(stores) ? stores : []).flatMap((entry: unknown) => {
      const store = fieldOf(entry, 'store');
      const down = troubleOf(fieldOf(entry, 'down'));
      return down !== null && (store === 'source' || store === 'target') ? [{ store, down }] : [];
    }),
    messageQueue: troubleOf(fieldOf(said, 'messageQueue')),
    diskProblem: typeof diskProblem === 'string' ? diskProblem : null,
  };
}

/** Null where there is none, or one that this version does not know. */
function troubleOf(said: unknown): { readonly sinceMs: number; readonly fault: FaultRecord } | null {
  const sinceMs = fieldOf(said, 'sinceMs');
  const fault = fieldOf(said, 'fault');
  const code = fieldOf(fault, 'code');
  if (typeof sinceMs !== 'number' || typeof code !== 'string' || !isFaultCode(code)) return null;
  return { sinceMs, fault: fault as FaultRecord };
}
