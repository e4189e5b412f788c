// Waits for the sign of one crash point and calls back in the very step in which it is seen.
import { watch } from 'node:fs';
import { ClientGone } from '../../sandbox/request-stages.ts';
import type { TwoClouds } from '../../sandbox/two-clouds.ts';
import type { Sign } from './crash-points.ts';

export interface Armed {
  /** Resolves when the sign was seen. */
  readonly seen: Promise<void>;
  wasSeen(): boolean;
  /** The client began to post. */
  posted(): void;
  /** A post was answered with 2xx. */
  accepted(): void;
  /** Lets a held request go on, however late, and ends the watching. */
  release(): void;
}

/** `onSign` is called once, synchronously; `random` draws from 0 to 1. */
export function armSign(
  sign: Sign,
  options: {
    readonly clouds: TwoClouds;
    readonly dataFolder: string;
    readonly random: number;
    readonly onSign: () => void;
  },
): Armed {
  const { clouds, dataFolder, random, onSign } = options;
  const seen = Promise.withResolvers<void>();
  const released = Promise.withResolvers<void>();
  const ends: (() => void)[] = [];
  let wasSeen = false;
  const fire = (): void => {
    if (wasSeen) return;
    wasSeen = true;
    onSign();
    seen.resolve();
  };
  const fireAfter = (delayMs: number): void => {
    const timer = setTimeout(fire, delayMs);
    ends.push(() => clearTimeout(timer));
  };
  if (sign.kind === 'request') {
    const stop = clouds[sign.store].watch(async (request) => {
      if (wasSeen || !sign.matches(request)) return;
      fire();
      // An answer that is complete cannot be cut any more: its client is dead already.
      if (request.stage === 'answered') return;
      if (sign.fate === 'cut') throw new ClientGone('The service was killed at this request');
      await released.promise;
    });
    ends.push(stop);
  } else if (sign.kind === 'queue_write') {
    let writes = 0;
    const watcher = watch(dataFolder, { persistent: false }, (_event, name) => {
      if (name?.endsWith('-wal') !== true) return;
      writes += 1;
      if (writes === sign.nth) fire();
    });
    ends.push(() => watcher.close());
  } else if (sign.kind === 'random') fireAfter(sign.withinMs * random);
  return {
    seen: seen.promise,
    wasSeen: () => wasSeen,
    posted: () => {
      if (sign.kind === 'posted') fireAfter(sign.delayMs);
    },
    accepted: () => {
      if (sign.kind === 'accepted') fire();
    },
    release: () => {
      released.resolve();
      for (const end of ends) end();
    },
  };
}
