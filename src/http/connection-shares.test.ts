import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EventEmitter } from 'node:events';
import { ConnectionShares, networkOf } from './connection-shares.ts';

test('an address counts alone, and one of IPv6 with its whole network', () => {
  for (const [address, network] of [
    ['127.0.0.1', '127.0.0.1'],
    ['::ffff:10.0.0.1', '::ffff:10.0.0.1'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2'],
    ['2001:db8:1:2::1', '2001:db8:1:2'],
    ['2001:db8::1', '2001:db8:0:0'],
    ['::1', '0:0:0:0'],
    ['', ''],
  ] as const)
    assert.equal(networkOf(address), network, address);
});

test('one address has half of all connections, all together have all, and what closes makes room', () => {
  const shares = new ConnectionShares(40);
  const open = (remoteAddress: string) => {
    const socket = Object.assign(new EventEmitter(), { remoteAddress });
    return { socket, bound: shares.take(socket) };
  };
  const first = Array.from({ length: 21 }, () => open('10.0.0.1'));
  assert.deepEqual(
    first.map(({ bound }) => bound),
    [...Array.from({ length: 20 }, () => null), 'address'],
  );
  const others = Array.from({ length: 21 }, (_, index) => open(`10.0.1.${index}`));
  assert.deepEqual([others[19]?.bound, others[20]?.bound], [null, 'all']);
  first[20]?.socket.emit('close');
  assert.equal(open('10.0.2.1').bound, 'all', 'one that was never taken gives nothing back');
  first[0]?.socket.emit('close');
  assert.equal(open('10.0.2.1').bound, null);
  assert.equal(open('10.0.0.1').bound, 'all');
});
