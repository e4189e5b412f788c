import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { OverloadHappenings } from '../core/overload.ts';
import { ManualClock } from '../http/testing/manual-clock.ts';
import { IntakeGate, type IntakeLimits } from './intake-gate.ts';

function openGate(limits: Partial<IntakeLimits>) {
  const clock = new ManualClock();
  const told: string[] = [];
  const happenings: OverloadHappenings = {
    intakeRefused: (reason) => told.push(`refused ${reason}`),
    overloadBegan: ({ reason }) => told.push(`begin ${reason}`),
    overloadEnded: ({ reason, refused, durationMs }) => told.push(`end ${reason} ${refused} ${durationMs}`),
    diskSpaceLow: () => told.push('low'),
    diskSpaceUnknown: () => told.push('unknown'),
  };
  return { clock, told, gate: new IntakeGate({ limits, clock, happenings }) };
}

test('as many requests as allowed are let in, and one leaving makes room for one', () => {
  const { gate } = openGate({ requests: 2 });
  assert.equal(gate.enter(), null);
  assert.equal(gate.enter(), null);
  assert.equal(gate.enter()?.reason, 'requests');
  gate.leave();
  assert.equal(gate.enter(), null);
  assert.equal(gate.load.requests, 2);
});

test('bytes are held until the request and the queue have both let go', () => {
  const { gate } = openGate({ bodyBytes: 100 });
  const body = gate.openBody();
  assert.equal(body.grow(60), null);
  assert.equal(body.grow(41)?.reason, 'body_bytes');
  assert.equal(gate.load.bodyBytes, 60, 'A refused part is not counted');
  body.retain();
  body.release();
  assert.equal(gate.load.bodyBytes, 60);
  body.release();
  assert.equal(gate.load.bodyBytes, 0);
});

test('callers who have yet to prove who they are hold half of everything at most', () => {
  const { gate } = openGate({ requests: 4, bodyBytes: 100 });
  assert.deepEqual([gate.enter(false), gate.enter(false)], [null, null]);
  assert.equal(gate.enter(false)?.reason, 'requests');
  assert.deepEqual([gate.enter(), gate.enter()], [null, null]);
  assert.equal(gate.enter()?.reason, 'requests');
  gate.leave(false);
  assert.equal(gate.enter(false), null);
  const stranger = gate.openBody(false);
  assert.equal(stranger.grow(50), null);
  assert.equal(gate.openBody(false).grow(1)?.reason, 'body_bytes');
  assert.equal(gate.openBody().grow(50), null);
  stranger.release();
  assert.equal(gate.openBody(false).grow(50), null);
  assert.equal(gate.load.bodyBytes, 100);
});

test('a document alone is taken however many changes it carries; a second one has to wait', () => {
  const { gate } = openGate({ waitingChanges: 10 });
  assert.equal(gate.holdChanges(50), null);
  assert.equal(gate.holdChanges(1)?.reason, 'waiting_changes');
  gate.changesStored(50);
  assert.equal(gate.holdChanges(10), null);
});

test('where changes wait for the disk for long, more of them are refused until it has caught up', () => {
  const { gate, clock } = openGate({ waitingMs: 400 });
  assert.equal(gate.holdChanges(1), null);
  clock.advance(300);
  assert.equal(gate.holdChanges(1), null);
  clock.advance(101);
  assert.equal(gate.hasRoomFor(1), false);
  assert.equal(gate.holdChanges(1)?.reason, 'waiting_changes');
  gate.changesStored(1);
  assert.equal(gate.holdChanges(1), null, 'the next has waited for 101 ms only');
  gate.changesStored(1);
  gate.changesStored(1);
  clock.advance(10_000);
  assert.equal(gate.holdChanges(1), null);
});

test('as many changes wait for the disk as it takes within the time that they may wait', () => {
  const { gate, clock } = openGate({ waitingChanges: 1_000_000, waitingMs: 400 });
  for (let round = 0; round < 30; round += 1) {
    assert.equal(gate.holdChanges(1_000), null);
    clock.advance(100);
    gate.changesStored(1_000);
  }
  assert.equal(gate.holdChanges(3_000), null);
  assert.equal(gate.hasRoomFor(900), true, 'ten changes a millisecond');
  assert.equal(gate.holdChanges(1_100)?.reason, 'waiting_changes');
  gate.changesStored(3_000);
  assert.equal(gate.holdChanges(50_000), null, 'one document alone always may');
  gate.changesStored(50_000);
  // One change at a time, a commit each: that says nothing of what a commit can hold.
  for (let round = 0; round < 100; round += 1) {
    gate.holdChanges(1);
    clock.advance(10);
    gate.changesStored(1);
  }
  assert.equal(gate.holdChanges(3_000), null);
  assert.equal(gate.hasRoomFor(900), true);
});

test('a flood is told twice: when it begins, and when nothing was refused for ten seconds, with the count', () => {
  const { clock, gate, told } = openGate({ requests: 1 });
  gate.enter();
  for (let count = 0; count < 5; count++) gate.enter();
  clock.advance(9_999);
  gate.settle();
  gate.enter();
  clock.advance(9_999);
  gate.settle();
  assert.deepEqual(
    told.filter((line) => !line.startsWith('refused')),
    ['begin requests'],
  );
  clock.advance(1);
  gate.settle();
  gate.settle();
  assert.deepEqual(
    told.filter((line) => line.startsWith('end')),
    ['end requests 6 19999'],
  );
  assert.equal(told.filter((line) => line === 'refused requests').length, 6);
});

test('a trouble of the host lasts until it is said to be over, however quiet it is', () => {
  const { clock, gate, told } = openGate({});
  gate.beginHostTrouble('disk_reserve', 'nearly full');
  assert.deepEqual(gate.askHost(), { reason: 'disk_reserve', detail: 'nearly full' });
  clock.advance(60_000);
  gate.settle();
  assert.equal(gate.askHost()?.reason, 'disk_reserve');
  gate.endHostTrouble('disk_reserve');
  assert.equal(gate.askHost(), null);
  assert.deepEqual(told, [
    'begin disk_reserve',
    'refused disk_reserve',
    'refused disk_reserve',
    'end disk_reserve 2 60000',
  ]);
});
