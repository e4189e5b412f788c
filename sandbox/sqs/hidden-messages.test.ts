import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SeededChance } from '../seeded-chance.ts';
import { HiddenMessages } from './hidden-messages.ts';
import type { StoredMessage } from './stored-message.ts';

function message(serial: number, hiddenUntilMs: number): StoredMessage {
  return {
    id: `m${serial}`,
    serial,
    body: '',
    attributes: {},
    traceHeader: null,
    senderId: '',
    sentAtMs: 0,
    group: null,
    deadFromArn: null,
    place: 'in_flight',
    hiddenUntilMs,
    receiveCount: 1,
    firstReceivedAtMs: 0,
    receiptNumber: 1,
  };
}

test('hidden messages come back in the order of their times, whatever was hidden anew or deleted meanwhile', () => {
  for (let seed = 1; seed <= 50; seed += 1) {
    const chance = new SeededChance(seed);
    const hidden = new HiddenMessages();
    const all = Array.from({ length: 60 }, (_, serial) => message(serial, chance.upTo(1000)));
    for (const each of all) {
      hidden.add(each);
      const other = all[chance.upTo(60) - 1];
      if (other === undefined || !chance.permille(500)) continue;
      if (chance.permille(300)) other.place = 'gone';
      else {
        other.hiddenUntilMs += chance.upTo(500);
        hidden.add(other);
      }
    }
    const expected = all.filter(({ place }) => place === 'in_flight').map((each) => each.hiddenUntilMs);
    const taken: number[] = [];
    const seen = new Set<number>();
    for (let nowMs = 0; nowMs <= 20_000; nowMs += 10) {
      for (;;) {
        const next = hidden.takeDue(nowMs);
        if (next === null) break;
        if (seen.has(next.serial)) continue;
        seen.add(next.serial);
        assert.ok(next.hiddenUntilMs <= nowMs, `seed ${seed}`);
        taken.push(next.hiddenUntilMs);
      }
    }
    assert.deepEqual(
      taken,
      expected.toSorted((a, b) => a - b),
      `seed ${seed}`,
    );
    assert.equal(hidden.nextMs(), null);
  }
});
