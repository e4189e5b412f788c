// An answer reader without a socket: a test says which bytes land with each read, and gets the answer.
import type { AnswerBody } from '../../connections.ts';
import type { AnswerHead } from '../answer-head.ts';
import { AnswerReader } from '../answer-reader.ts';
import { SlabPool } from '../slab-pool.ts';

export interface FedReader {
  readonly reader: AnswerReader;
  readonly pool: SlabPool;
  readonly answers: { readonly head: AnswerHead; readonly body: AnswerBody }[];
  /** What the flow was told, in order. */
  readonly calls: string[];
  /** How each answer ended: was nothing behind it? */
  readonly ends: boolean[];
  expect(method: string): void;
  /** Lands `bytes` in as many reads as their space needs. Throws what the reader throws. */
  feed(bytes: Uint8Array): void;
}

/** A reader as a connection has it. */
export function openFedReader(): FedReader {
  const calls: string[] = [];
  const ends: boolean[] = [];
  const answers: FedReader['answers'][number][] = [];
  const pool = new SlabPool();
  const reader = new AnswerReader(pool, {
    answered: (head, body) => void answers.push({ head, body }),
    ended: (isClean) => void ends.push(isClean),
  });
  let space = reader.space();
  return {
    reader,
    pool,
    answers,
    calls,
    ends,
    expect: (method) =>
      reader.begin(method, {
        pause: () => void calls.push('pause'),
        resume: () => void calls.push('resume'),
        abort: () => void calls.push('abort'),
        dropped(missingBytes, limitBytes) {
          if (missingBytes > limitBytes) calls.push('abort');
          else reader.dropRest(missingBytes);
        },
      }),
    feed(bytes) {
      for (let at = 0; at < bytes.length;) {
        const count = Math.min(space.length, bytes.length - at);
        space.set(bytes.subarray(at, at + count));
        at += count;
        reader.landed(count);
        space = reader.space();
      }
    },
  };
}
