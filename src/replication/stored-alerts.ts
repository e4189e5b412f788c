// What is remembered of alerts, in a durable note: a restart sends nothing twice and forgets nothing that is due.
// Troubles that have not settled are not kept: they are noticed again.
import { type Alert, ALERT_KINDS, type AlertKind } from '../core/alert.ts';
import type { DurableNotes } from '../core/durable-notes.ts';
import { isFaultCode } from '../core/faults.ts';
import type { AlertMemory, Remembered } from './alert-memory.ts';
import { fieldOf, jsonOf } from './note-json.ts';

const NOTE = 'alerts/memory';

export class StoredAlerts {
  readonly #notes: DurableNotes;
  /** Of the note as this process knows it; null where there is none. */
  #text: string | null = null;

  constructor(notes: DurableNotes) {
    this.#notes = notes;
  }

  /** What an earlier process remembered. Entries that this version does not understand are left out. */
  async load(): Promise<AlertMemory> {
    const note = await this.#notes.read(NOTE);
    this.#text = note?.value ?? null;
    return note === null ? new Map() : memoryOf(note.value);
  }

  /** Writes the memory down where something of it that matters after a restart has changed. */
  async save(memory: AlertMemory): Promise<void> {
    const kept = [...memory.values()].filter(({ state }) => state !== 'settling');
    const text = JSON.stringify(kept.map((entry) => ({ ...entry, alert: lasting(entry.alert) })));
    if (text === this.#text || (this.#text === null && kept.length === 0)) return;
    const version = (await this.#notes.read(NOTE))?.version ?? null;
    if (await this.#notes.write(NOTE, text, version)) this.#text = text;
  }
}

/** Figures change all the time and are found anew at the next look. */
function lasting(alert: Alert): Alert {
  return { ...alert, detail: '', count: null };
}

function memoryOf(text: string): AlertMemory {
  const parsed = jsonOf(text);
  const entries: readonly unknown[] = Array.isArray(parsed) ? parsed : [];
  return new Map(
    entries.flatMap((entry) => {
      const read = rememberedOf(entry);
      return read === null ? [] : [[read.alert.key, read] as const];
    }),
  );
}

function rememberedOf(entry: unknown): Remembered | null {
  const alert = alertOf(fieldOf(entry, 'alert'));
  const state = fieldOf(entry, 'state');
  const noticedAtMs = fieldOf(entry, 'noticedAtMs');
  const sentCount = fieldOf(entry, 'sentCount');
  const goneAtMs = timeOrNull(fieldOf(entry, 'goneAtMs'));
  const sentAtMs = timeOrNull(fieldOf(entry, 'sentAtMs'));
  if (alert === null || (state !== 'active' && state !== 'ended')) return null;
  if (typeof noticedAtMs !== 'number' || typeof sentCount !== 'number') return null;
  return { alert, state, noticedAtMs, goneAtMs, sentAtMs, sentCount };
}

function alertOf(entry: unknown): Alert | null {
  const text = (name: string) => {
    const value = fieldOf(entry, name);
    return typeof value === 'string' ? value : '';
  };
  const kind = ALERT_KINDS.find((known): known is AlertKind => known === text('kind'));
  const sinceMs = timeOrNull(fieldOf(entry, 'sinceMs'));
  if (kind === undefined || text('key') === '' || sinceMs === null) return null;
  const store = text('store');
  const faultCode = text('faultCode');
  return {
    key: text('key'),
    kind,
    ruleName: text('ruleName') === '' ? null : text('ruleName'),
    faultCode: isFaultCode(faultCode) ? faultCode : null,
    store: store === 'source' || store === 'target' ? store : null,
    title: text('title'),
    detail: text('detail'),
    remedy: text('remedy'),
    count: null,
    sinceMs,
  };
}

function timeOrNull(value: unknown): number | null {
  return typeof value === 'number' ? value : null;
}
