// Mistakes planted at the stores and in the decision: conditions that are not checked, looks in the wrong order,
// answers taken for something else.
import { decide, ownStamp } from '../../src/core/decide.ts';
import { Fault } from '../../src/core/faults.ts';
import type { ObjectLocation, SourceMetadata, SourceState, TargetToken } from '../../src/core/object.ts';
import type { ObjectSource, SourceRead } from '../../src/core/object-source.ts';
import type {
  EffectAnswer,
  InsertRequest,
  ObjectTarget,
  TargetCondition,
} from '../../src/core/object-target.ts';
import { override } from './override.ts';
import type { Planted } from './planted.ts';

const NEVER = new AbortController().signal;

/** Effects that look for another token than they were given. `chosen` gets the token asked for and the one there. */
function effectsAt(
  target: ObjectTarget,
  kind: 'insert' | 'updateMetadata' | 'remove',
  chosen: (asked: TargetCondition, now: TargetToken) => TargetCondition,
): ObjectTarget {
  const tokenNow = async (location: ObjectLocation): Promise<TargetToken | null> => {
    const look = await target.look(location, NEVER);
    return look.kind === 'absent' ? null : look.object.token;
  };
  const insert: ObjectTarget['insert'] = async (request, signal) => {
    const now = await tokenNow(request.location);
    const condition = now === null ? request.condition : chosen(request.condition, now);
    return target.insert({ ...request, condition }, signal);
  };
  const updateMetadata: ObjectTarget['updateMetadata'] = async (request, signal) => {
    const now = await tokenNow(request.location);
    const token = now === null ? request.token : chosen(request.token, now);
    return target.updateMetadata({ ...request, token: token as TargetToken }, signal);
  };
  const remove: ObjectTarget['remove'] = async (request, signal) => {
    const now = await tokenNow(request.location);
    const token = now === null ? request.token : chosen(request.token, now);
    return target.remove({ ...request, token: token as TargetToken }, signal);
  };
  return override<ObjectTarget>(target, { [kind]: { insert, updateMetadata, remove }[kind] });
}

const generationOf = (token: string): string => token.split('/')[0] ?? '';
const metagenerationOf = (token: string): string => token.split('/')[1] ?? '';
const whatever = (_: TargetCondition, now: TargetToken): TargetCondition => now;
const ofGeneration = (asked: TargetCondition, now: TargetToken): TargetCondition =>
  generationOf(asked) === generationOf(now) ? now : asked;
const ofMetageneration = (asked: TargetCondition, now: TargetToken): TargetCondition =>
  metagenerationOf(asked) === metagenerationOf(now) ? now : asked;

function planTarget(name: string, what: string, change: (target: ObjectTarget) => ObjectTarget): Planted {
  return { name, what, stores: ({ source, target }) => ({ source, target: change(target) }) };
}

function planSource(name: string, what: string, change: (source: ObjectSource) => ObjectSource): Planted {
  return { name, what, stores: ({ source, target }) => ({ source: change(source), target }) };
}

/** The source is looked at before the target; only answers of one kind are kept for later. */
function lookAtSourceFirst(name: string, what: string, kept: 'body' | 'absent'): Planted {
  return {
    name,
    what,
    process: (ports) => {
      const held = new Map<string, SourceRead>();
      const target = override<ObjectTarget>(ports.target, {
        look: async (location, signal) => {
          const early = await ports.source.read(
            { location: { ...location, bucket: 'from' }, pin: null, startByte: 0 },
            signal,
          );
          held.delete(location.key);
          if (early.kind === kept) held.set(location.key, early);
          else if (early.kind === 'body') early.discard();
          return ports.target.look(location, signal);
        },
      });
      const source = override<ObjectSource>(ports.source, {
        look: async (location, signal) => {
          const early = held.get(location.key);
          if (early?.kind === 'body') return { kind: 'present', state: early.state };
          return early?.kind === 'absent' ? early : ports.source.look(location, signal);
        },
        read: async (request, signal) => {
          const early = request.pin === null ? held.get(request.location.key) : undefined;
          held.delete(request.location.key);
          return early ?? ports.source.read(request, signal);
        },
      });
      return { ...ports, source, target };
    },
  };
}

/** The version seen first in an attempt is asked for by its id from then on. */
const pinnedConfirmation: Planted = {
  name: 'pinned-confirmation',
  what: '4: the source is confirmed by a read of the version seen before',
  process: (ports, memories) => {
    const pinned = new Map<string, { readonly state: SourceState; readonly bytes: Uint8Array }>();
    const remember = async (location: ObjectLocation): Promise<void> => {
      const read = await memories.source.read({ location, pin: null, startByte: 0 }, NEVER);
      if (read.kind !== 'body' || read.state.versionId === null) return;
      const chunks: Uint8Array[] = [];
      for await (const chunk of read.body) chunks.push(Buffer.from(chunk));
      pinned.set(location.key, { state: read.state, bytes: Buffer.concat(chunks) });
    };
    return {
      ...ports,
      queue: override(ports.queue, {
        claim: async (room) => {
          const claimed = await ports.queue.claim(room);
          for (const { source } of claimed) pinned.delete(source.key);
          return claimed;
        },
      }),
      source: override<ObjectSource>(ports.source, {
        look: async (location, signal) => {
          const known = pinned.get(location.key);
          if (known !== undefined) return { kind: 'present', state: known.state };
          const look = await ports.source.look(location, signal);
          await remember(location);
          return look;
        },
        read: async (request, signal) => {
          const known = pinned.get(request.location.key);
          if (known === undefined || request.pin !== null) {
            const read = await ports.source.read(request, signal);
            await remember(request.location);
            return read;
          }
          return { kind: 'body', state: known.state, body: inOnePiece(known.bytes), discard: () => {} };
        },
      }),
    };
  },
};

async function* inOnePiece(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  yield bytes;
}

const withoutIfMatch = planSource('no-if-match', '12: a pinned read takes whatever is there', (source) =>
  override<ObjectSource>(source, {
    read: async (request, signal) => {
      const look = await source.look(request.location, signal);
      if (request.pin === null || look.kind === 'absent' || request.startByte >= look.state.sizeBytes) {
        return source.read(request, signal);
      }
      return source.read({ ...request, pin: look.state }, signal);
    },
  }),
);

/** The metadata comes from a HEAD, the bytes and the identity from a GET after it. */
const twoAnswers: Planted = {
  name: 'two-answers',
  what: '13: identity and metadata from two answers',
  process: (ports) => ({
    ...ports,
    source: override<ObjectSource>(ports.source, {
      read: async (request, signal) => {
        const head = await ports.source.look(request.location, signal);
        const read = await ports.source.read(request, signal);
        if (read.kind !== 'body' || head.kind === 'absent') return read;
        const metadata: SourceMetadata = head.state.metadata;
        return { ...read, state: { ...read.state, metadata } };
      },
    }),
  }),
};

function conflictingInsert(
  target: ObjectTarget,
  onConflict: (request: InsertRequest, signal: AbortSignal) => Promise<EffectAnswer>,
): ObjectTarget {
  return override<ObjectTarget>(target, {
    insert: async (request, signal) => {
      const answer = await target.insert(request, signal);
      return answer.kind === 'conflict' ? onConflict(request, signal) : answer;
    },
  });
}

const forbiddenIsAbsent = planSource('forbidden-is-absent', 'a 403 is taken for a deletion', (source) => {
  const orAbsent = async <Answer>(answer: Promise<Answer>) => {
    try {
      return await answer;
    } catch (error) {
      if (!(error instanceof Fault) || error.code !== 'access_denied') throw error;
      return { kind: 'absent', proof: 'no_such_key' } as const;
    }
  };
  return override<ObjectSource>(source, {
    look: (location, signal) => orAbsent(source.look(location, signal)),
    read: (request, signal) => orAbsent(source.read(request, signal)),
  });
});

const deletesByGeneration = planTarget(
  'delete-by-generation',
  'a delete names the generation instead of being conditioned on it',
  (target) =>
    override<ObjectTarget>(target, {
      remove: async (request, signal) => {
        const answer = await effectsAt(target, 'remove', ofGeneration).remove(request, signal);
        // What was asked for is history, and is removed from it: the store is content.
        return answer.kind === 'conflict' ? { kind: 'committed', object: null } : answer;
      },
    }),
);

/** Mistakes at the stores, in the order of the protocol's safeguards. */
export const STORE_MISTAKES: readonly Planted[] = [
  lookAtSourceFirst('source-first', '1: the source is looked at before the target', 'body'),
  lookAtSourceFirst('absence-first', '2: the same where the source is absent', 'absent'),
  pinnedConfirmation,
  planTarget('write-no-generation', '5: writes are not conditioned', (target) =>
    effectsAt(target, 'insert', whatever),
  ),
  planTarget('write-no-metageneration', '6: writes ignore the metageneration', (target) =>
    effectsAt(target, 'insert', ofGeneration),
  ),
  planTarget('metadata-no-generation', '7: metadata updates ignore the generation', (target) =>
    effectsAt(target, 'updateMetadata', ofMetageneration),
  ),
  planTarget('metadata-no-metageneration', '8: metadata updates ignore the metageneration', (target) =>
    effectsAt(target, 'updateMetadata', ofGeneration),
  ),
  planTarget('delete-no-generation', '9: deletes are not conditioned', (target) =>
    effectsAt(target, 'remove', whatever),
  ),
  planTarget('delete-no-metageneration', '10: deletes ignore the metageneration', (target) =>
    effectsAt(target, 'remove', ofGeneration),
  ),
  {
    name: 'delete-anything',
    what: '11: a mirrored delete takes what we did not write',
    decide: (input) =>
      input.state === null && input.target !== null && input.rule.deletes === 'mirror'
        ? { kind: 'delete', token: input.target.token }
        : decide(input),
  },
  withoutIfMatch,
  twoAnswers,
  {
    name: 'metadata-not-compared',
    what: '14: metadata does not count when states are compared',
    decide: (input) => {
      const stamp = input.target === null ? null : ownStamp(input.source, input.target);
      return decide(stamp === null ? input : { ...input, metadataDigest: stamp.metadataDigest });
    },
  },
  {
    name: 'stamp-believed',
    what: '15: size and checksum of the target object are not compared',
    decide: (input) => {
      const stamp = input.target === null ? null : ownStamp(input.source, input.target);
      if (stamp === null || input.target === null) return decide(input);
      const { sizeBytes, crc32c } = stamp;
      return decide({ ...input, target: { ...input.target, sizeBytes, crc32c } });
    },
  },
  planTarget(
    'insert-again',
    '16: after a refused condition the same body is sent at the new token',
    (target) =>
      conflictingInsert(target, (request, signal) =>
        effectsAt(target, 'insert', whatever).insert(request, signal),
      ),
  ),
  planTarget('conflict-is-success', '17: a refused condition counts as success', (target) =>
    conflictingInsert(target, async ({ location, metadata, body, crc32c }) => {
      const look = await target.look(location, NEVER);
      if (look.kind === 'absent') return { kind: 'conflict' };
      const { token, generation } = look.object;
      const object = { token, generation, sizeBytes: body.length, crc32c, md5: null, metadata };
      return { kind: 'committed', object };
    }),
  ),
  forbiddenIsAbsent,
  deletesByGeneration,
];
