// The target as one process reaches it: every request takes its way through the simulated network. Effects land
// early, late or never and are judged by the reference at the moment they land; uploads keep less than was sent.
import { createHash } from 'node:crypto';
import { Fault } from '../../src/core/faults.ts';
import type { ObjectLocation, TargetToken } from '../../src/core/object.ts';
import type { EffectAnswer, ObjectTarget, TargetLook, UploadProgress } from '../../src/core/object-target.ts';
import type { MemoryTarget } from '../../src/stores/memory/memory-target.ts';
import type { Call, Network, Trouble } from './network.ts';
import { override } from './override.ts';
import type { Process } from './scheduler.ts';
import type { TargetSnapshot } from './versions.ts';

/** Told of every effect that a process wanted, and of what it changed. */
export interface EffectWitness {
  sent(process: Process, location: ObjectLocation): void;
  /** `examined` is the token a delete was conditioned on; null for every other effect. */
  landed(
    location: ObjectLocation,
    before: TargetSnapshot | null,
    after: TargetSnapshot | null,
    examined: TargetToken | null,
  ): void;
}

const NEVER = new AbortController().signal;

/** What the target holds now, with its bytes. */
export async function snapshotOf(
  memory: MemoryTarget,
  location: ObjectLocation,
): Promise<TargetSnapshot | null> {
  const look = await memory.look(location, NEVER);
  const bytes = memory.bytesOf(location);
  return look.kind === 'absent' || bytes === null ? null : { ...look.object, bytes };
}

/** `store` is the target that does the work, `memory` the one that holds the objects; planted mistakes lie between. */
export function simulateTarget(options: {
  readonly network: Network;
  readonly process: Process;
  readonly store: ObjectTarget;
  readonly memory: MemoryTarget;
  readonly witness: EffectWitness;
  /** Where the uploads of all processes end up, by the session. */
  readonly locations: Map<string, ObjectLocation>;
}): ObjectTarget {
  const { network, process, store, memory, witness, locations } = options;
  const base = { process, isEffect: false, troubled: lookTroubled };
  const effect = (
    name: string,
    location: ObjectLocation,
    signal: AbortSignal,
    examined: TargetToken | null,
    run: () => Promise<EffectAnswer>,
  ): Promise<EffectAnswer> => {
    witness.sent(process, location);
    return network.send<EffectAnswer>({
      process,
      signal,
      isEffect: true,
      troubled: effectTroubled,
      name: () => `${name} ${location.key}`,
      show: showEffect,
      perform: async () => {
        const before = await snapshotOf(memory, location);
        const answer = await run();
        witness.landed(location, before, await snapshotOf(memory, location), examined);
        return answer;
      },
    });
  };
  return override<ObjectTarget>(store, {
    look: (location, signal) =>
      network.send<TargetLook>({
        ...base,
        signal,
        name: () => `looks at the target of ${location.key}`,
        show: (look) => (look.kind === 'absent' ? 'absent' : look.object.token),
        perform: async () => withMd5(memory, location, await store.look(location, NEVER)),
      }),
    insert: (request, signal) =>
      effect(`inserts at ${request.condition}`, request.location, signal, null, () =>
        store.insert(request, NEVER),
      ),
    updateMetadata: (request, signal) =>
      effect(`updates metadata at ${request.token}`, request.location, signal, null, () =>
        store.updateMetadata(request, NEVER),
      ),
    remove: (request, signal) =>
      effect(`deletes at ${request.token}`, request.location, signal, request.token, () =>
        store.remove(request, NEVER),
      ),
    openUpload: (request, signal) => {
      witness.sent(process, request.location);
      return network.send({
        ...base,
        signal,
        name: () => `opens an upload at ${request.condition} of ${request.location.key}`,
        show: ({ uri }) => uri,
        perform: async () => {
          const session = await store.openUpload(request, NEVER);
          locations.set(session.uri, request.location);
          return session;
        },
      });
    },
    finishUpload: (request, signal) => {
      const { uri } = request.session;
      const location = locations.get(uri);
      if (location === undefined) throw new Error('An upload was finished that nobody opened');
      return effect(`finishes ${uri}`, location, signal, null, () => store.finishUpload(request, NEVER));
    },
    sendUpload: (request, signal) => network.send(sendCall({ ...options, request, signal })),
    uploadProgress: (session, signal) =>
      network.send<UploadProgress>({
        ...base,
        signal,
        name: () => `asks for ${session.uri}`,
        show: showProgress,
        perform: () => store.uploadProgress(session, NEVER),
      }),
    cancelUpload: (session, signal) =>
      network.send({
        ...base,
        signal,
        isEffect: true,
        name: () => `cancels ${session.uri}`,
        show: () => 'done',
        perform: () => store.cancelUpload(session, NEVER),
      }),
  });
}

function sendCall(given: {
  readonly network: Network;
  readonly process: Process;
  readonly store: ObjectTarget;
  readonly request: Parameters<ObjectTarget['sendUpload']>[0];
  readonly signal: AbortSignal;
}): Call<UploadProgress> {
  const { network, process, store, request, signal } = given;
  const { choices } = network.scheduler;
  const cutAfterChunks = choices.chance(network.faultPermille * 2) ? choices.pick(6) : null;
  const tellsHowMuch = cutAfterChunks !== null && choices.weighted([1, 1]) === 1;
  return {
    process,
    signal,
    isEffect: false,
    troubled: lookTroubled,
    name: () => `sends ${request.lengthBytes} bytes from ${request.startByte} to ${request.session.uri}`,
    show: showProgress,
    perform: async () => {
      if (cutAfterChunks === null) return store.sendUpload(request, signal);
      try {
        return await store.sendUpload({ ...request, body: cut(request.body, cutAfterChunks) }, signal);
      } catch (error) {
        if (!tellsHowMuch || !(error instanceof Fault) || error.code !== 'target_error') throw error;
        return store.uploadProgress(request.session, NEVER);
      }
    },
  };
}

/** The connection to the target breaks after some chunks. */
async function* cut(
  body: AsyncIterable<Uint8Array>,
  chunks: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  let left = chunks;
  for await (const chunk of body) {
    if (left === 0) throw new Fault('target_error', 'The connection broke');
    left -= 1;
    yield chunk;
  }
}

/** A real target keeps an MD5 of objects that were written in one piece. */
function withMd5(memory: MemoryTarget, location: ObjectLocation, look: TargetLook): TargetLook {
  const bytes = memory.bytesOf(location);
  if (look.kind === 'absent' || bytes === null || bytes.length > 32) return look;
  return {
    kind: 'present',
    object: { ...look.object, md5: createHash('md5').update(bytes).digest('base64') },
  };
}

function lookTroubled(trouble: Trouble): never {
  if (trouble === 'refused') throw new Fault('target_throttled', 'The target asks for fewer requests');
  throw new Fault('target_error', 'The target did not answer');
}

function effectTroubled(trouble: Trouble): EffectAnswer {
  if (trouble === 'refused') throw new Fault('target_throttled', 'The target asks for fewer requests');
  return { kind: 'unanswered', fault: new Fault('target_error', 'The target did not answer') };
}

function showEffect(answer: EffectAnswer): string {
  return answer.kind === 'committed' ? `committed ${answer.object?.token ?? ''}` : answer.kind;
}

function showProgress(progress: UploadProgress): string {
  return progress.kind === 'open' ? `${progress.persistedBytes} bytes are kept` : progress.kind;
}
