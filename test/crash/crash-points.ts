// Every step of a transfer at which the service is killed: what has to be under way so that the step is reached, and
// the sign by which it is recognised from outside.
import type { RequestStage, WatchedRequest } from '../../sandbox/request-stages.ts';

/** The request never arrives (or its answer never does), or it takes effect after the service is up again. */
export type Fate = 'cut' | 'late';

export type Sign =
  | {
      readonly kind: 'request';
      readonly store: 's3' | 'gcs';
      readonly matches: (request: WatchedRequest) => boolean;
      readonly fate: Fate;
    }
  /** The n-th time that the log of the queue's database was seen growing. */
  | { readonly kind: 'queue_write'; readonly nth: number }
  /** The post of the change is on its way, this many milliseconds long. */
  | { readonly kind: 'posted'; readonly delayMs: number }
  /** The post of a change was answered with 2xx. */
  | { readonly kind: 'accepted' }
  /** Any moment. */
  | { readonly kind: 'random'; readonly withinMs: number };

/** What the client does so that the step is reached. `interrupted`: a large object of which a part was copied. */
export type Work = 'create' | 'overwrite' | 'metadata' | 'delete' | 'large' | 'interrupted';

export interface CrashPoint {
  readonly name: string;
  readonly work: Work;
  readonly sign: Sign;
  /** True: the sign is waited for while the service starts again after an earlier kill. */
  readonly atStart?: boolean;
  /** True: reached only where sessions are kept, which needs an encryption key. */
  readonly needsStoredSession?: boolean;
}

type Match = Omit<Extract<Sign, { kind: 'request' }>, 'kind' | 'fate'>;

const isS3 = (method: string) => (request: WatchedRequest) =>
  request.method === method && /^\/[^/]+\/[^?]/.test(request.rawUrl);
const isUpload = (type: string) => (request: WatchedRequest) =>
  request.method === 'POST' && request.rawUrl.includes(`uploadType=${type}`);
const isSession = (range: RegExp) => (request: WatchedRequest) =>
  request.method === 'PUT' && range.test(String(request.headers['content-range']));

const REQUESTS = {
  'source look': { store: 's3', matches: isS3('HEAD') },
  'source read': { store: 's3', matches: isS3('GET') },
  'target look': {
    store: 'gcs',
    matches: ({ method, rawUrl }) => method === 'GET' && rawUrl.startsWith('/storage/v1/b/'),
  },
  insert: { store: 'gcs', matches: isUpload('multipart') },
  'session open': { store: 'gcs', matches: isUpload('resumable') },
  'session bytes': { store: 'gcs', matches: isSession(/^bytes \d+-\d+\/\*$/) },
  'session query': { store: 'gcs', matches: isSession(/^bytes \*\/\*$/) },
  finish: { store: 'gcs', matches: isSession(/^bytes (\*|\d+-\d+)\/\d+$/) },
  delete: {
    store: 'gcs',
    matches: ({ method, rawUrl }) => method === 'DELETE' && rawUrl.startsWith('/storage/v1/b/'),
  },
  'metadata update': { store: 'gcs', matches: ({ method }) => method === 'PATCH' },
} as const satisfies Record<string, Match>;

function at(
  request: keyof typeof REQUESTS,
  stage: RequestStage,
  name: string,
  work: Work,
  options: { readonly fate?: Fate; readonly minBytes?: number; readonly atStart?: boolean } = {},
): CrashPoint {
  const { store, matches } = REQUESTS[request];
  const { fate = 'cut', minBytes = 0, atStart = false } = options;
  return {
    name: `${request}: ${name}`,
    work,
    atStart,
    needsStoredSession: request === 'session query',
    sign: {
      kind: 'request',
      store,
      fate,
      matches: (seen) => seen.stage === stage && seen.bytes >= minBytes && matches(seen),
    },
  };
}

/** Held where its whole body is there and the store has not seen the end of it. */
function late(request: keyof typeof REQUESTS, work: Work): CrashPoint {
  const { store, matches } = REQUESTS[request];
  return {
    name: `${request}: takes effect after the restart`,
    work,
    sign: {
      kind: 'request',
      store,
      fate: 'late',
      matches: (seen) => {
        const announced = Number(seen.headers['content-length'] ?? 0);
        const isWhole =
          seen.stage === (announced === 0 ? 'arrived' : 'receiving') && seen.bytes === announced;
        return isWhole && matches(seen);
      },
    },
  };
}

const KIB = 1024;

const queueWrites = [1, 2, 3, 4, 6, 8, 11].map((nth): CrashPoint => ({
  name: `queue: write ${nth} after the post`,
  work: nth % 2 === 0 ? 'overwrite' : 'create',
  sign: { kind: 'queue_write', nth },
}));

export const CRASH_POINTS: readonly CrashPoint[] = [
  { name: 'accept: posted', work: 'create', sign: { kind: 'posted', delayMs: 0 } },
  { name: 'accept: posted 1 ms ago', work: 'create', sign: { kind: 'posted', delayMs: 1 } },
  { name: 'accept: posted 3 ms ago', work: 'create', sign: { kind: 'posted', delayMs: 3 } },
  { name: 'accept: answered', work: 'create', sign: { kind: 'accepted' } },
  ...queueWrites,
  at('source look', 'arrived', 'asked', 'overwrite'),
  at('source look', 'answered', 'answered', 'overwrite'),
  at('source read', 'arrived', 'asked', 'create'),
  at('source read', 'sending', 'in the middle', 'large', { minBytes: 1024 * KIB }),
  at('source read', 'answered', 'at its end', 'create'),
  at('target look', 'arrived', 'asked', 'overwrite'),
  at('target look', 'answered', 'answered', 'overwrite'),
  at('insert', 'arrived', 'never arrives', 'create'),
  at('insert', 'receiving', 'half of it', 'create', { minBytes: 1 }),
  late('insert', 'create'),
  at('insert', 'done', 'done, not answered', 'create'),
  at('insert', 'answered', 'answered, not recorded', 'create'),
  late('insert', 'overwrite'),
  at('insert', 'done', 'over an older object, not answered', 'overwrite'),
  at('metadata update', 'arrived', 'never arrives', 'metadata'),
  late('metadata update', 'metadata'),
  at('metadata update', 'done', 'done, not answered', 'metadata'),
  at('metadata update', 'answered', 'answered, not recorded', 'metadata'),
  at('delete', 'arrived', 'never arrives', 'delete'),
  late('delete', 'delete'),
  at('delete', 'done', 'done, not answered', 'delete'),
  at('delete', 'answered', 'answered, not recorded', 'delete'),
  at('session open', 'arrived', 'never arrives', 'large'),
  at('session open', 'done', 'done, not answered', 'large'),
  at('session bytes', 'arrived', 'asked', 'large'),
  at('session bytes', 'receiving', 'in the middle', 'large', { minBytes: 700 * KIB }),
  at('session bytes', 'done', 'done, not answered', 'large'),
  at('finish', 'arrived', 'never arrives', 'large'),
  late('finish', 'large'),
  at('finish', 'done', 'done, not answered', 'large'),
  at('finish', 'answered', 'answered, not recorded', 'large'),
  { name: 'large object: half of it copied', work: 'interrupted', sign: { kind: 'random', withinMs: 50 } },
  at('session query', 'arrived', 'after a restart, asked', 'interrupted', { atStart: true }),
  at('session query', 'answered', 'after a restart, answered', 'interrupted', { atStart: true }),
  at('finish', 'done', 'after a restart, not answered', 'interrupted', { atStart: true }),
  {
    name: 'start: while the queue is recovered',
    work: 'large',
    atStart: true,
    sign: { kind: 'queue_write', nth: 1 },
  },
  {
    name: 'start: right after the recovery',
    work: 'create',
    atStart: true,
    sign: { kind: 'queue_write', nth: 3 },
  },
  { name: 'start: at any moment', work: 'create', atStart: true, sign: { kind: 'random', withinMs: 700 } },
  { name: 'any moment', work: 'create', sign: { kind: 'random', withinMs: 60 } },
  { name: 'any moment with large objects', work: 'large', sign: { kind: 'random', withinMs: 120 } },
];
