// Notes that live as long as their process, for tests and simulations.
import type { DurableNotes, Note } from '../../core/durable-notes.ts';

/** Opens an empty set of notes. Nothing of it survives the process. */
export function openMemoryNotes(): DurableNotes {
  const notes = new Map<string, Note>();
  let lastVersion = 0;
  return {
    read: async (name) => notes.get(name) ?? null,
    write: async (name, value, version) => {
      if ((notes.get(name)?.version ?? null) !== version) return false;
      lastVersion += 1;
      notes.set(name, { value, version: lastVersion });
      return true;
    },
    remove: async (name, version) => notes.get(name)?.version === version && notes.delete(name),
    list: async (prefix) =>
      [...notes]
        .filter(([name]) => name.startsWith(prefix))
        .map(([name, note]) => ({ name, ...note }))
        .sort((a, b) => Buffer.compare(Buffer.from(a.name), Buffer.from(b.name))),
  };
}
