// Thin layers around the two stores that note how every call ended. They change nothing of what a call does.
import { Fault } from '../core/faults.ts';
import type { ObjectSource } from '../core/object-source.ts';
import type { ObjectLocation } from '../core/object.ts';
import type { EffectAnswer, ObjectTarget } from '../core/object-target.ts';
import type { CallKind } from './store-breaker.ts';
import type { StoreHealth } from './store-health.ts';

/** What is told of every call. */
type Watcher = Pick<StoreHealth, 'succeeded' | 'failed'>;

/** The source, watched. Opening a body is the call; what becomes of the body later is not. */
export function watchSource(source: ObjectSource, watcher: Watcher): ObjectSource {
  return {
    look: (location, signal) => noted(watcher, 'read', location, () => source.look(location, signal)),
    read: (request, signal) => noted(watcher, 'read', request.location, () => source.read(request, signal)),
    list: (request, signal) => noted(watcher, 'read', null, () => source.list(request, signal)),
  };
}

/** The target, watched. An effect that nobody answered counts as failed. */
export function watchTarget(target: ObjectTarget, watcher: Watcher): ObjectTarget {
  const effect = (
    location: ObjectLocation | null,
    send: () => Promise<EffectAnswer>,
  ): Promise<EffectAnswer> =>
    noted(watcher, 'write', location, send, (answer) => (answer.kind === 'unanswered' ? answer.fault : null));
  return {
    capabilities: target.capabilities,
    look: (location, signal) => noted(watcher, 'read', location, () => target.look(location, signal)),
    list: (request, signal) => noted(watcher, 'read', null, () => target.list(request, signal)),
    uploadProgress: (session, signal) =>
      noted(watcher, 'read', null, () => target.uploadProgress(session, signal)),
    openUpload: (request, signal) =>
      noted(watcher, 'write', request.location, () => target.openUpload(request, signal)),
    sendUpload: (request, signal) => noted(watcher, 'write', null, () => target.sendUpload(request, signal)),
    // Best effort and of no consequence: not even worth a note.
    cancelUpload: (session, signal) => target.cancelUpload(session, signal),
    insert: (request, signal) => effect(request.location, () => target.insert(request, signal)),
    finishUpload: (request, signal) => effect(null, () => target.finishUpload(request, signal)),
    updateMetadata: (request, signal) =>
      effect(request.location, () => target.updateMetadata(request, signal)),
    remove: (request, signal) => effect(request.location, () => target.remove(request, signal)),
  };
}

async function noted<Answer>(
  watcher: Watcher,
  call: CallKind,
  location: ObjectLocation | null,
  send: () => Promise<Answer>,
  faultOf: (answer: Answer) => Fault | null = () => null,
): Promise<Answer> {
  try {
    const answer = await send();
    const fault = faultOf(answer);
    if (fault === null) watcher.succeeded(call);
    else watcher.failed(call, fault, subjectOf(location));
    return answer;
  } catch (error) {
    if (error instanceof Fault) watcher.failed(call, error, subjectOf(location));
    throw error;
  }
}

function subjectOf(location: ObjectLocation | null): string | null {
  return location === null ? null : JSON.stringify([location.bucket, location.key]);
}
