// A body that nobody wants any more, whose last bytes cost its connection: that connection takes no other request.
import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import { openWireConnections } from '../../src/exchange/wire/wire-connections.ts';
import { CONNECTION_OPTIONS, startSocketServer, unlimited } from '../contract/connections-fixture.ts';

const PARTS = {
  'with a length': ['HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabcd', 'efghij'],
  'in chunks': [
    'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nabcd\r\n',
    '6\r\nefghij\r\n0\r\n\r\n',
  ],
} as const;

for (const [kind, [begin, rest]] of Object.entries(PARTS))
  test(`a body ${kind} that is given up with its last bytes: who waits gets a new connection, and the request is sent`, async (t) => {
    const posted: string[] = [];
    let first: Socket | null = null;
    const server = await startSocketServer((socket, text) => {
      if (text.startsWith('GET /first')) {
        first = socket;
        socket.write(begin);
        return;
      }
      posted.push(text.split('\r\n')[0] ?? '');
      socket.write('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n');
    }, null);
    t.after(async () => server.close());
    const connections = openWireConnections(CONNECTION_OPTIONS);
    t.after(async () => connections.close());
    const common = { origin: server.origin, headers: {} };
    const answer = await connections.exchange(
      { ...common, path: '/first', method: 'GET', body: null },
      unlimited(),
    );
    await answer.body.next();
    const second = connections.exchange(
      { ...common, path: '/second', method: 'POST', body: Buffer.from('x') },
      unlimited(),
    );
    // Two bytes may still come: the six that do cost the connection, and end the body in the same read.
    answer.body.drop(2);
    (first as Socket | null)?.write(rest);
    assert.equal((await second).status, 200);
    assert.deepEqual(posted, ['POST /second HTTP/1.1']);
  });
