// What is refused, turn by turn, on a clock that the test moves.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { IntakePressure, type Turns } from './intake-pressure.ts';

class ManualTurns implements Turns {
  #nowMs = 0;
  #end: (() => void) | null = null;

  nowMs(): number {
    return this.#nowMs;
  }

  onEnd(callback: () => void): void {
    this.#end = callback;
  }

  advance(ms: number): void {
    this.#nowMs += ms;
  }

  end(): void {
    this.#end?.();
    this.#end = null;
  }
}

function open(longestTurnMs = 300) {
  const turns = new ManualTurns();
  const pressure = new IntakePressure(longestTurnMs, turns);
  /** One turn of so many milliseconds; answers how many of its requests were refused. */
  const turn = (connections: number, requests: number, ms: number): number => {
    for (let index = 0; index < connections; index += 1) pressure.connectionCame();
    let refused = 0;
    for (let index = 0; index < requests; index += 1) refused += pressure.mustRefuse() ? 1 : 0;
    turns.advance(ms);
    turns.end();
    return refused;
  };
  return { turns, pressure, turn };
}

test('a turn that takes too long refuses what is left of it, and the next one begins anew', () => {
  const { turns, pressure } = open(300);
  assert.equal(pressure.mustRefuse(), false);
  turns.advance(300);
  assert.equal(pressure.mustRefuse(), false);
  turns.advance(1);
  assert.equal(pressure.mustRefuse(), true);
  turns.end();
  assert.equal(pressure.mustRefuse(), false);
});

test('a burst of new connections is taken, a queue of them that does not empty is answered by refusing more and more', () => {
  const { turn } = open();
  const shares: number[] = [];
  for (let tenth = 0; tenth < 20; tenth += 1) {
    let refused = 0;
    for (let index = 0; index < 10; index += 1) refused += turn(64, 16, 10);
    shares.push(refused / 160);
  }
  assert.deepEqual(shares.slice(0, 2), [0, 0], 'a quarter of a second is a burst');
  assert.equal(shares.at(-1), 15 / 16, 'one of sixteen is always begun');
  assert.deepEqual(
    shares,
    shares.toSorted((a, b) => a - b),
  );
});

test('turns that are long, one after the other, are answered by refusing more and more', () => {
  const { turn } = open();
  const refused = Array.from({ length: 20 }, () => turn(0, 80, 210));
  assert.deepEqual(refused.slice(0, 4), [0, 0, 0, 5]);
  assert.equal(refused.at(-1), 75);
});

test('when the queue is empty again everything is taken, step by step, or at once after a pause', () => {
  const { turn, turns } = open();
  for (let index = 0; index < 200; index += 1) turn(64, 16, 10);
  for (let index = 0; index < 100; index += 1) turn(3, 3, 10);
  assert.equal(turn(3, 80, 10), 0);
  for (let index = 0; index < 200; index += 1) turn(64, 16, 10);
  turns.advance(1_001);
  assert.equal(turn(1, 80, 10), 0);
});

test('kept connections alone, and few new ones, press nothing', () => {
  const { turn } = open();
  let refused = 0;
  for (let index = 0; index < 500; index += 1) refused += turn(index % 32, 50, 20);
  assert.equal(refused, 0);
});
