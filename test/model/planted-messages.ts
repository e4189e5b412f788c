// Mistakes planted at workers without a database: looks after an effect that are left out or not believed, messages
// that are acknowledged too soon, looks that are owed and never made.
import type { MessageToSend, ReceivedMessage } from '../../src/core/message-queue.ts';
import type { SourceLook, SourceRead } from '../../src/core/object-source.ts';
import type { EffectAnswer } from '../../src/core/object-target.ts';
import type { RecheckPolicy } from '../../src/replication/recheck.ts';
import { override } from './override.ts';
import type { Planted, WorkerPorts } from './planted.ts';
import { keyOfBody } from './simulated-messages.ts';

const NEVER = new AbortController().signal;

function planRecheck(name: string, what: string, isNeeded: RecheckPolicy['isNeeded']): Planted {
  return {
    name,
    what,
    mode: 'stateless',
    recheck: (learned) => ({ isNeeded: (...asked) => isNeeded(...asked) && learned.isNeeded(...asked) }),
  };
}

function planWorker(name: string, what: string, change: NonNullable<Planted['worker']>): Planted {
  return { name, what, mode: 'stateless', worker: change };
}

/** `ports` with a word about every effect that was confirmed, before anybody else hears of it. */
function afterEffects(ports: WorkerPorts, onCommitted: (key: string) => Promise<void> | void): WorkerPorts {
  const { target } = ports;
  const keys = new Map<string, string>();
  const told = async (key: string, answer: EffectAnswer): Promise<EffectAnswer> => {
    if (answer.kind === 'committed') await onCommitted(key);
    return answer;
  };
  return {
    ...ports,
    target: override(target, {
      insert: async (request, signal) => told(request.location.key, await target.insert(request, signal)),
      updateMetadata: async (request, signal) =>
        told(request.location.key, await target.updateMetadata(request, signal)),
      remove: async (request, signal) => told(request.location.key, await target.remove(request, signal)),
      openUpload: async (request, signal) => {
        const session = await target.openUpload(request, signal);
        keys.set(session.uri, request.location.key);
        return session;
      },
      finishUpload: async (request, signal) =>
        told(keys.get(request.session.uri) ?? '', await target.finishUpload(request, signal)),
    }),
  };
}

/** The source is looked at after an effect, and whatever it shows is left as it is. */
function differenceLeft(ports: WorkerPorts): WorkerPorts {
  const { source } = ports;
  const seen = new Map<string, SourceLook>();
  const hasEffect = new Set<string>();
  const noted = afterEffects(ports, (key) => void hasEffect.add(key));
  return {
    ...noted,
    target: override(noted.target, {
      look: (location, signal) => {
        // From the top: this is no look after an effect any more.
        hasEffect.delete(location.key);
        return noted.target.look(location, signal);
      },
    }),
    source: override(source, {
      look: async (location, signal) => {
        const { key } = location;
        const look = await source.look(location, signal);
        const before = seen.get(key);
        if (hasEffect.delete(key) && before !== undefined) return before;
        seen.set(key, look);
        return look;
      },
      read: async (request, signal) => {
        const read = await source.read(request, signal);
        const { key } = request.location;
        hasEffect.delete(key);
        const look = lookOf(read);
        if (look !== null) seen.set(key, look);
        return read;
      },
    }),
  };
}

function lookOf(read: SourceRead): SourceLook | null {
  if (read.kind === 'body') return { kind: 'present', state: read.state };
  return read.kind === 'absent' ? read : null;
}

/** What a worker holds, by the key of its object. */
class Holding {
  readonly #held = new Map<string, { readonly key: string; readonly message: ReceivedMessage }>();

  add(messages: readonly ReceivedMessage[]): void {
    for (const message of messages) this.#held.set(message.id, { key: keyOfBody(message.body), message });
  }

  of(key: string): ReceivedMessage[] {
    return [...this.#held.values()].filter((one) => one.key === key).map(({ message }) => message);
  }

  /** Takes a message out; its key, or null where it was not held. */
  take(id: string): string | null {
    const key = this.#held.get(id)?.key ?? null;
    this.#held.delete(id);
    return key;
  }
}

function acknowledgedAtCommit(ports: WorkerPorts): WorkerPorts {
  const { messages } = ports;
  const holding = new Holding();
  const early = afterEffects(ports, async (key) => {
    const held = holding.of(key);
    for (const { id } of held) holding.take(id);
    await messages.delete(held, NEVER).catch(() => {});
  });
  return {
    ...early,
    messages: override(messages, {
      receive: async (request, signal) => {
        const received = await messages.receive(request, signal);
        holding.add(received);
        return received;
      },
    }),
  };
}

/** A message that comes while its object is under way is acknowledged together with the one that began. */
function joinedAfterFirstLook(
  ports: WorkerPorts,
  onGivenUp: (listener: (key: string) => void) => void,
): WorkerPorts {
  const { messages, target } = ports;
  const holding = new Holding();
  const looked = new Set<string>();
  const joined = new Map<string, ReceivedMessage[]>();
  const forget = (key: string): void => {
    for (const { id } of holding.of(key)) holding.take(id);
    joined.delete(key);
  };
  onGivenUp(forget);
  return {
    ...ports,
    target: override(target, {
      look: (location, signal) => {
        looked.add(location.key);
        return target.look(location, signal);
      },
    }),
    messages: override(messages, {
      receive: async (request, signal) => {
        const received = await messages.receive(request, signal);
        return received.filter((message) => {
          const key = keyOfBody(message.body);
          // It is here again: the one that it joined came to no end.
          if (joined.get(key)?.some(({ id }) => id === message.id) === true) forget(key);
          if (holding.of(key).length > 0 && looked.has(key)) {
            joined.set(key, [...(joined.get(key) ?? []), message]);
            return false;
          }
          holding.add([message]);
          looked.delete(key);
          return true;
        });
      },
      delete: async (done, signal) => {
        const together = done.flatMap(({ id }) => {
          const key = holding.take(id);
          const others = key === null ? [] : (joined.get(key) ?? []);
          if (key !== null) joined.delete(key);
          return others;
        });
        return messages.delete([...done, ...together], signal);
      },
    }),
  };
}

function everyReceiptIsTheFirst({ messages, ...ports }: WorkerPorts): WorkerPorts {
  return {
    ...ports,
    messages: override(messages, {
      receive: async (request, signal) =>
        (await messages.receive(request, signal)).map((message) => ({ ...message, receiveCount: 1 })),
    }),
  };
}

/** Nothing looks again after the grace: what is not done is tried again at once, what is done rests. */
function unansweredForgotten({ messages, ...ports }: WorkerPorts): WorkerPorts {
  return {
    ...ports,
    messages: override(messages, {
      send: async (sent, signal) => {
        const kept = sent.flatMap((message): MessageToSend[] => {
          const { replicator } = JSON.parse(message.body) as { replicator: { reason: string } };
          if (replicator.reason === 'unanswered') return [];
          return [replicator.reason === 'retry' ? { ...message, delaySec: 0 } : message];
        });
        if (kept.length > 0) await messages.send(kept, signal);
      },
    }),
  };
}

/** Mistakes of workers without a database, in the order of the protocol's safeguards. */
export const MESSAGE_MISTAKES: readonly Planted[] = [
  planRecheck(
    'no-look-where-mirrored',
    '18: no look after an effect where deletes are mirrored',
    (_, { deletes }) => deletes !== 'mirror',
  ),
  planRecheck(
    'no-look-where-versioned',
    '19: no look after an effect where deletes are ignored and the bucket has versions',
    (_, { deletes }) => deletes === 'mirror',
  ),
  planRecheck('no-look-after-delete', '20: no look after a delete', (effect) => effect !== 'delete'),
  planWorker('difference-left', '21: another state after an effect is left to others', differenceLeft),
  planWorker(
    'acknowledged-at-commit',
    '22: the message is acknowledged before the look after the effect',
    acknowledgedAtCommit,
  ),
  planWorker(
    'joined-after-first-look',
    '23: a message joins an attempt that has looked already',
    joinedAfterFirstLook,
  ),
  planWorker(
    'taken-over-forgotten',
    '26: nobody looks again after a message that somebody else had',
    everyReceiptIsTheFirst,
  ),
  planWorker(
    'unanswered-forgotten',
    '27: nobody looks again after an effect that nobody answered',
    unansweredForgotten,
  ),
];
