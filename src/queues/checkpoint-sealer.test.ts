import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkpointOf } from '../../test/contract/transfer-queue-samples.ts';
import { openCheckpointSealer } from './checkpoint-sealer.ts';

const KEY = Buffer.alloc(32, 7);

test('a sealed checkpoint opens again, shows nothing, and differs each time', () => {
  const sealer = openCheckpointSealer(KEY);
  const sealed = sealer.seal('id-1', checkpointOf(40));
  assert.deepEqual(sealer.open('id-1', sealed), checkpointOf(40));
  assert.equal(Buffer.from(sealed).includes('upload.invalid'), false);
  assert.notDeepEqual(sealer.seal('id-1', checkpointOf(40)), sealed);
});

test('another key, another transfer and damaged bytes give null', () => {
  const sealer = openCheckpointSealer(KEY);
  const sealed = sealer.seal('id-1', checkpointOf(40));
  assert.equal(openCheckpointSealer(Buffer.alloc(32, 8)).open('id-1', sealed), null);
  assert.equal(sealer.open('id-2', sealed), null);
  for (let index = 0; index < sealed.byteLength; index += 1) {
    const damaged = Uint8Array.from(sealed, (byte, at) => (at === index ? byte ^ 1 : byte));
    assert.equal(sealer.open('id-1', damaged), null, `byte ${index}`);
  }
  for (const lengthBytes of [0, 1, 29, sealed.byteLength - 1]) {
    assert.equal(sealer.open('id-1', sealed.subarray(0, lengthBytes)), null, `${lengthBytes} bytes`);
  }
});

test('a key of a wrong length is refused without being shown', () => {
  assert.throws(() => openCheckpointSealer(Buffer.from('too short')), /9 bytes; it must have 32/);
});
