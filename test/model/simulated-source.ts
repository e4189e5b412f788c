// The source as one process reaches it: every request takes its way through the simulated network, and bodies break
// or stand still in the middle.
import { Fault } from '../../src/core/faults.ts';
import type { ObjectSource, SourceLook, SourceRead } from '../../src/core/object-source.ts';
import type { Trouble, Wire } from './network.ts';
import { override } from './override.ts';
import type { Process } from './scheduler.ts';

/** `store` is the source itself; `isPoisoned` tells whose bytes can never be read. */
export function simulateSource(
  network: Wire,
  process: Process,
  store: ObjectSource,
  isPoisoned: (etag: string) => boolean,
): ObjectSource {
  const base = { process, isEffect: false, troubled };
  return override<ObjectSource>(store, {
    look: (location, signal) =>
      network.send<SourceLook>({
        ...base,
        op: 'look',
        asks: location,
        signal,
        name: () => `looks at the source of ${location.key}`,
        perform: () => store.look(location, signal),
        show: (look) => (look.kind === 'present' ? describe(look.state) : 'absent'),
      }),
    read: async (request, signal) => {
      const { location, pin, startByte } = request;
      const read = await network.send<SourceRead>({
        ...base,
        op: 'read',
        asks: request,
        signal,
        name: () =>
          `reads ${location.key}${startByte > 0 ? ` from byte ${startByte}` : ''}${pin === null ? '' : ', pinned'}`,
        perform: async () => {
          const opened = await store.read(request, signal);
          if (opened.kind !== 'body' || !isPoisoned(opened.state.etag)) return opened;
          opened.discard();
          throw new Fault('source_error', 'The object cannot be read');
        },
        show: (answer) => (answer.kind === 'body' ? describe(answer.state) : answer.kind),
      });
      return read.kind === 'body' ? withTroubledBody(network, process, read, signal) : read;
    },
  });
}

function troubled(trouble: Trouble): never {
  if (trouble === 'refused') throw new Fault('source_throttled', 'The source asks for fewer requests');
  throw new Fault('source_error', 'The source did not answer');
}

function describe(state: { readonly etag: string; readonly lastModifiedMs: number }): string {
  return `etag ${state.etag.slice(0, 4)}${state.etag.includes('-') ? '-2' : ''} of second ${(state.lastModifiedMs / 1000) % 1000}`;
}

function withTroubledBody(
  network: Wire,
  process: Process,
  read: Extract<SourceRead, { kind: 'body' }>,
  signal: AbortSignal,
): SourceRead {
  const choices = network.scheduler.choices.part('bodies');
  if (!choices.chance(network.streamFaultPermille)) return read;
  const troubledChunk = choices.pick(6);
  const doesBreak = choices.weighted([1, 1]) === 1;
  async function* body(): AsyncGenerator<Uint8Array, void, undefined> {
    let chunkCount = 0;
    for await (const chunk of read.kind === 'body' ? read.body : []) {
      if (chunkCount === troubledChunk) {
        if (doesBreak) {
          network.scheduler.note(() => `${process.name}: the body breaks after ${chunkCount} chunks`);
          throw new Fault('source_read_broken', 'The source stopped sending');
        }
        await standStill(network, process, signal);
      }
      chunkCount += 1;
      yield chunk;
    }
  }
  return { ...read, body: body() };
}

async function standStill(network: Wire, process: Process, signal: AbortSignal): Promise<void> {
  const ms = 300 + network.scheduler.choices.part('bodies').pick(5) * 600;
  network.scheduler.note(() => `${process.name}: the body stands still for ${ms} ms`);
  await new Promise<void>((resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
    network.scheduler.schedule({ receiver: process, delayMs: ms, run: resolve });
  });
}
