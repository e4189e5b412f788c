// The target as one process reaches it: every request takes its way through the simulated network. Effects land
// early, late or never and are judged by the reference at the moment they land; uploads keep less than was sent.
import { createHash } from 'node:crypto';
import { Fault } from '../../src/core/faults.ts';
import type { ObjectLocation, TargetToken } from '../../src/core/object.ts';
import type {
  EffectAnswer,
  ObjectTarget,
  TargetLook,
  UploadProgress,
  UploadSendRequest,
} from '../../src/core/object-target.ts';
import type { MemoryTarget } from '../../src/stores/memory/memory-target.ts';
import type { Call, Trouble, Wire } from './network.ts';
import { override } from './override.ts';
import type { Process } from './scheduler.ts';
import type { TargetSnapshot } from './versions.ts';

/** Told of every effect that a process wanted, and of what it changed. */
export interface EffectWitness {
  /** `isEffect` false: an upload is opened, which changes nothing yet. */
  sent(process: Process, location: ObjectLocation, isEffect: boolean): void;
  /** An upload begins to send. Returns for how many milliseconds it stands still in the middle; null: not at all. */
  sending(process: Process, location: ObjectLocation): number | null;
  /** `examined` is the token a delete was conditioned on; null for every other effect. */
  landed(
    location: ObjectLocation,
    before: TargetSnapshot | null,
    after: TargetSnapshot | null,
    examined: TargetToken | null,
  ): void;
}

/** Enough for a checkpoint, and not the whole of a large object. */
const STALL_CHUNKS = 6;
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

interface TargetOptions {
  readonly network: Wire;
  readonly process: Process;
  /** The target that does the work; planted mistakes lie between it and `memory`, which holds the objects. */
  readonly store: ObjectTarget;
  readonly memory: MemoryTarget;
  readonly witness: EffectWitness;
  /** Told of every delete that is sent, with the state of the object it is for. */
  readonly onDelete: (key: string, token: TargetToken) => void;
  /** Where the uploads of all processes end up, by the session. */
  readonly locations: Map<string, ObjectLocation>;
}

/** The target as `process` reaches it. */
export function simulateTarget(options: TargetOptions): ObjectTarget {
  const { network, process, store, memory } = options;
  return override<ObjectTarget>(store, {
    ...simulateEffects(options),
    ...simulateUploads(options),
    look: (location, signal) =>
      network.send<TargetLook>({
        process,
        op: 'look',
        asks: location,
        signal,
        isEffect: false,
        troubled: lookTroubled,
        name: () => `looks at the target of ${location.key}`,
        show: (look) => (look.kind === 'absent' ? 'absent' : look.object.token),
        perform: async () => withMd5(memory, location, await store.look(location, NEVER)),
      }),
  });
}

function simulateEffects(options: TargetOptions): Partial<ObjectTarget> {
  const { network, process, store, memory, witness, locations } = options;
  const effect = (
    name: string,
    asks: unknown,
    location: ObjectLocation,
    signal: AbortSignal,
    examined: TargetToken | null,
    run: () => Promise<EffectAnswer>,
  ): Promise<EffectAnswer> => {
    witness.sent(process, location, true);
    return network.send<EffectAnswer>({
      process,
      op: 'effect',
      asks,
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
  return {
    insert: (request, signal) =>
      effect(`inserts at ${request.condition}`, request, request.location, signal, null, () =>
        store.insert(request, NEVER),
      ),
    updateMetadata: (request, signal) =>
      effect(`updates metadata at ${request.token}`, request, request.location, signal, null, () =>
        store.updateMetadata(request, NEVER),
      ),
    remove: (request, signal) => {
      options.onDelete(request.location.key, request.token);
      return effect(`deletes at ${request.token}`, request, request.location, signal, request.token, () =>
        store.remove(request, NEVER),
      );
    },
    finishUpload: (request, signal) => {
      const { uri } = request.session;
      const location = locations.get(uri);
      if (location === undefined) throw new Error('An upload was finished that nobody opened');
      return effect(`finishes ${uri}`, request, location, signal, null, () =>
        store.finishUpload(request, NEVER),
      );
    },
  };
}

function simulateUploads(options: TargetOptions): Partial<ObjectTarget> {
  const { network, process, store, witness, locations } = options;
  const base = { process, isEffect: false, troubled: lookTroubled };
  return {
    openUpload: (request, signal) => {
      witness.sent(process, request.location, false);
      return network.send({
        ...base,
        op: 'openUpload',
        asks: request,
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
    sendUpload: (request, signal) => network.send(sendCall(options, request, signal)),
    uploadProgress: (session, signal) =>
      network.send<UploadProgress>({
        ...base,
        op: 'uploadProgress',
        asks: session,
        signal,
        name: () => `asks for ${session.uri}`,
        show: showProgress,
        perform: () => store.uploadProgress(session, NEVER),
      }),
    cancelUpload: (session, signal) =>
      network.send({
        ...base,
        op: 'cancelUpload',
        asks: session,
        signal,
        isEffect: true,
        name: () => `cancels ${session.uri}`,
        show: () => 'done',
        perform: () => store.cancelUpload(session, NEVER),
      }),
  };
}

function sendCall(
  options: TargetOptions,
  request: UploadSendRequest,
  signal: AbortSignal,
): Call<UploadProgress> {
  const { network, process, store, witness, locations } = options;
  const choices = network.scheduler.choices.part('bodies');
  const cutAfterChunks = choices.chance(network.streamFaultPermille) ? choices.pick(6) : null;
  const tellsHowMuch = cutAfterChunks !== null && choices.weighted([1, 1]) === 1;
  const location = locations.get(request.session.uri);
  const stillMs = location === undefined ? null : witness.sending(process, location);
  const whole = stillMs === null ? request.body : stalled(network, process, request.body, stillMs);
  return {
    process,
    op: 'sendUpload',
    asks: request,
    signal,
    isEffect: false,
    troubled: lookTroubled,
    name: () => `sends ${request.lengthBytes} bytes from ${request.startByte} to ${request.session.uri}`,
    show: showProgress,
    perform: async () => {
      if (cutAfterChunks === null) return store.sendUpload({ ...request, body: whole }, signal);
      try {
        return await store.sendUpload({ ...request, body: cut(whole, cutAfterChunks) }, signal);
      } catch (error) {
        if (!tellsHowMuch || !(error instanceof Fault) || error.code !== 'target_error') throw error;
        return store.uploadProgress(request.session, NEVER);
      }
    },
  };
}

/** The connection keeps what was sent so far and takes nothing more for a while. */
async function* stalled(
  network: Wire,
  process: Process,
  body: AsyncIterable<Uint8Array>,
  ms: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  let chunkCount = 0;
  for await (const chunk of body) {
    yield chunk;
    chunkCount += 1;
    if (chunkCount !== STALL_CHUNKS) continue;
    network.scheduler.note(() => `${process.name}: the upload stands still`);
    await new Promise<void>((resolve) => {
      network.scheduler.schedule({ receiver: process, delayMs: ms, run: resolve, onForgotten: resolve });
    });
    if (!process.isAlive) throw new Fault('target_error', 'The sender is gone');
  }
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
