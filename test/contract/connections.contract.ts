// What every driver of the Connections port keeps to, over real connections to servers of the test.
import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { describe, test, type TestContext } from 'node:test';
import type { TlsOptions } from 'node:tls';
import type { Connections, ConnectionsOptions, ExchangeRequest } from '../../src/exchange/connections.ts';
import { InvalidRequest, NothingSent } from '../../src/exchange/exchange-error.ts';
import { Limit } from '../../src/exchange/limit.ts';
import {
  bytesOf,
  CONNECTION_OPTIONS,
  startSocketServer,
  textOf,
  unlimited,
  until,
} from './connections-fixture.ts';

export interface ConnectionsDriver {
  readonly name: string;
  /** Null: plain HTTP. Its certificate must be one that the process trusts, for `localhost`. */
  readonly tls: TlsOptions | null;
  open(options: ConnectionsOptions): Connections;
}

const NEVER = new AbortController().signal;
const OPTIONS: ConnectionsOptions = { ...CONNECTION_OPTIONS, keepAliveMs: 4_000 };

/** The answer of a server that has nothing to say. */
const EMPTY = 'HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n';

export function testConnections(driver: ConnectionsDriver): void {
  async function serving(
    t: TestContext,
    respond: (socket: Socket, text: string) => void,
    options: Partial<ConnectionsOptions> = {},
  ) {
    const server = await startSocketServer(respond, driver.tls);
    const connections = driver.open({ ...OPTIONS, ...options });
    t.after(async () => {
      await connections.close();
      await server.close();
    });
    const request: ExchangeRequest = {
      origin: server.origin,
      path: '/a%2Fb?c=d',
      method: 'GET',
      headers: { 'x-a': '1' },
      body: null,
    };
    const ask = async (wanted: Partial<ExchangeRequest> = {}, limit = unlimited()) =>
      connections.exchange({ ...request, ...wanted }, limit);
    return { connections, server, request, ask };
  }

  describe(`connections, ${driver.name}`, () => {
    test('the request is sent as it is, and the answer comes with its head and its body', async (t) => {
      let seen = '';
      const { ask, server } = await serving(t, (socket, text) => {
        seen = text;
        socket.write(
          'HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 206 Some\r\nX-B: \t2\r\nx-c: 1\r\nX-C: 2\r\nx-u: \xe9\r\ncontent-length: 5\r\n\r\nhe',
          'latin1',
        );
        socket.write('llo');
      });
      const answer = await ask();
      assert.equal(answer.status, 206);
      assert.equal(answer.headers['x-b'], '2');
      assert.deepEqual(answer.headers['x-c'], ['1', '2']);
      assert.equal(answer.headers['x-u'], '\xe9');
      assert.equal(await textOf(answer.body), 'hello');
      assert.match(seen, /^GET \/a%2Fb\?c=d HTTP\/1\.1\r\n/);
      assert.match(seen, /\r\nx-a: 1\r\n/);
      assert.ok(seen.toLowerCase().includes(`\r\nhost: ${new URL(server.origin).host}\r\n`));
    });

    test('a connection is used again after a body was read, after a HEAD, and after a short rest was dropped', async (t) => {
      const { ask, server } = await serving(t, (socket, text) => {
        const body = text.startsWith('HEAD') ? '' : 'hello';
        socket.write(`HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n${body}`);
      });
      await textOf((await ask()).body);
      await textOf((await ask({ method: 'HEAD' })).body);
      (await ask()).body.drop(1_000);
      await textOf((await ask()).body);
      assert.equal(server.connectionCount(), 1);
    });

    for (const [what, answer, text] of [
      [
        'in chunks',
        'Transfer-Encoding: chunked\r\n\r\n3;x=y\r\nhel\r\n2\r\nlo\r\n0\r\nx-t: 1\r\n\r\n',
        'hello',
      ],
      ['of 204', null, ''],
      ['until the connection ends', 'x: y\r\n\r\nhello', 'hello'],
    ] as const) {
      test(`a body ${what} is read to its end`, async (t) => {
        const { ask } = await serving(t, (socket) => {
          if (answer === null) socket.write('HTTP/1.1 204 No Content\r\n\r\n');
          else socket.write(`HTTP/1.1 200 OK\r\n${answer}`);
          if (what.startsWith('until')) socket.end();
        });
        assert.equal(await textOf((await ask()).body), text);
        assert.equal(await textOf((await ask()).body), text);
      });
    }

    test('a body of bytes and one of pieces arrive whole; the next piece is asked for when the former has left', async (t) => {
      const { ask, server } = await serving(t, (socket) => {
        if (/(bytes|pieces)\.$/.test(server.text())) socket.write(EMPTY);
      });
      await textOf((await ask({ method: 'POST', body: Buffer.from('bytes.') })).body);
      const shared = Buffer.alloc(1);
      async function* pieces(): AsyncGenerator<Uint8Array> {
        for (const piece of 'pieces.') {
          shared.write(piece);
          yield shared;
        }
      }
      await textOf((await ask({ method: 'PUT', headers: { 'content-length': '7' }, body: pieces() })).body);
      assert.match(server.text(), /\r\n\r\nbytes\.PUT [^]*\r\n\r\npieces\.$/);
    });

    test('a request without a body says so where one could be', async (t) => {
      const { ask, server } = await serving(t, (socket) => socket.write(EMPTY));
      await ask({ method: 'PUT' });
      assert.match(server.text(), /^PUT [^]*\r\ncontent-length: 0\r\n/i);
    });

    test('the error of the body of a request is the error of the request, and its connection is given up', async (t) => {
      const { ask, server } = await serving(t, (socket, text) => {
        if (text.startsWith('GET')) socket.write(EMPTY);
      });
      const broken = new Error('the source broke');
      async function* body(): AsyncGenerator<Uint8Array> {
        yield Buffer.from('a');
        await until(() => server.text().includes('PUT '));
        throw broken;
      }
      await assert.rejects(ask({ method: 'PUT', headers: { 'content-length': '7' }, body: body() }), broken);
      await textOf((await ask()).body);
      assert.equal(server.connectionCount(), 2);
    });

    test('a body that breaks off rejects with the reason of the connection', async (t) => {
      const { ask } = await serving(t, (socket) => {
        socket.write('HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nhello');
        setImmediate(() => socket.end());
      });
      const { body } = await ask();
      await assert.rejects(textOf(body), { code: 'HTTP_CONNECTION_ENDED' });
    });

    test('a large body that breaks off rejects as well, after what came of it', async (t) => {
      const { ask } = await serving(t, (socket) => {
        socket.write(`HTTP/1.1 200 OK\r\ncontent-length: 5000000\r\n\r\n`);
        socket.write(Buffer.alloc(300_000), () => socket.end());
      });
      const { body } = await ask();
      let seenBytes = 0;
      await assert.rejects(
        async () => {
          for await (const piece of body) seenBytes += piece.length;
        },
        { code: 'HTTP_CONNECTION_ENDED' },
      );
      assert.ok(seenBytes > 0 && seenBytes <= 300_000);
    });

    test('a connection that ends before the answer is no NothingSent: the request may have had its effect', async (t) => {
      const { ask } = await serving(t, (socket) => socket.end());
      await assert.rejects(ask(), { code: 'HTTP_CONNECTION_ENDED' });
    });

    test('a connection that ends while a body is sent is no NothingSent either', async (t) => {
      const { ask } = await serving(t, (socket) => socket.destroy());
      const body = Array.from({ length: 64 }, () => Buffer.alloc(256 * 1024));
      const headers = { 'content-length': String(64 * 256 * 1024) };
      await assert.rejects(ask({ method: 'PUT', headers, body }), (error) => {
        assert.ok(error instanceof Error && 'code' in error && !(error instanceof NothingSent));
        assert.match(String(error.code), /^(HTTP_CONNECTION_ENDED|ECONNRESET|EPIPE)$/);
        return true;
      });
    });

    test('a connection cannot be made: nothing was sent', async (t) => {
      const { ask, server } = await serving(t, () => {});
      await server.close();
      await assert.rejects(ask(), (error) => {
        assert.ok(error instanceof NothingSent);
        assert.equal(error.code, 'ECONNREFUSED');
        return true;
      });
    });

    test('a reused connection that ends before any byte of an answer is no NothingSent, and nothing is sent twice', async (t) => {
      let requests = 0;
      const { ask, server } = await serving(t, (socket) => {
        requests += 1;
        if (requests === 1) socket.write(EMPTY);
        else socket.destroy();
      });
      await textOf((await ask()).body);
      await assert.rejects(ask(), (error) => !(error instanceof NothingSent));
      assert.equal(server.connectionCount(), 1);
      assert.equal(requests, 2);
    });

    test('a connection that was closed while it was idle is not used again', async (t) => {
      const { ask, server } = await serving(t, (socket) => socket.write(EMPTY));
      await textOf((await ask()).body);
      await server.endConnections();
      await textOf((await ask()).body);
      assert.equal(server.connectionCount(), 2);
    });

    test('an answer that says so costs the connection', async (t) => {
      const { ask, server } = await serving(t, (socket) =>
        socket.end('HTTP/1.1 200 OK\r\nConnection: Close\r\ncontent-length: 0\r\n\r\n'),
      );
      await textOf((await ask()).body);
      await textOf((await ask()).body);
      assert.equal(server.connectionCount(), 2);
    });

    test("the caller's signal ends a request without an answer, and a body that comes, by its own reason", async (t) => {
      const { ask } = await serving(t, (socket, text) => {
        if (text.includes('silent')) return;
        socket.write('HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nhello');
      });
      const reason = new Error('enough');
      const silent = new AbortController();
      const first = ask({ path: '/silent' }, new Limit(silent.signal, null));
      setImmediate(() => silent.abort(reason));
      await assert.rejects(first, reason);
      const stopping = new AbortController();
      const { body } = await ask({}, new Limit(stopping.signal, null));
      await body.next();
      stopping.abort(reason);
      await assert.rejects(body.next(), reason);
    });

    test('a request that waits for a connection ends with its deadline, and is not sent afterwards', async (t) => {
      const seen: string[] = [];
      let answer = (): void => {};
      const { promise: arrived, resolve: tellArrived } = Promise.withResolvers<void>();
      const { ask } = await serving(t, (socket, text) => {
        seen.push(text.split(' ')[1] ?? '');
        answer = () => void socket.write(EMPTY);
        tellArrived();
        if (text.includes('/third')) answer();
      });
      const first = ask({ path: '/first' });
      await arrived;
      const limit = new Limit(NEVER, 20);
      await assert.rejects(ask({ path: '/second' }, limit), /deadline/);
      assert.ok(limit.isOver);
      answer();
      await textOf((await first).body);
      await textOf((await ask({ path: '/third' })).body);
      assert.deepEqual(seen, ['/first', '/third']);
    });

    test('requests beyond the bound wait and go out in their order', async (t) => {
      const seen: string[] = [];
      const { ask, server } = await serving(
        t,
        (socket, text) => {
          seen.push(text.split(' ')[1] ?? '');
          setImmediate(() => socket.write(EMPTY));
        },
        { connections: 2 },
      );
      await Promise.all(
        Array.from({ length: 20 }, async (_, index) => textOf((await ask({ path: `/${index}` })).body)),
      );
      assert.equal(server.connectionCount(), 2);
      assert.deepEqual(
        seen.map((path) => Number(path.slice(1))).toSorted((a, b) => a - b),
        Array.from({ length: 20 }, (_, index) => index),
      );
    });

    test('the times for a head and between two pieces of a body are bounded', async (t) => {
      const { ask } = await serving(
        t,
        (socket, text) => {
          if (text.includes('/body')) socket.write('HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nhello');
        },
        { headersTimeoutMs: 100, bodyIdleTimeoutMs: 100 },
      );
      await assert.rejects(ask(), { code: 'HTTP_HEADERS_TIMEOUT' });
      const { body } = await ask({ path: '/body' });
      await assert.rejects(textOf(body), { code: 'HTTP_BODY_TIMEOUT' });
    });

    test('a body that the other side does not take is bounded by the time for a head', async (t) => {
      const { ask } = await serving(t, (socket) => socket.pause(), { headersTimeoutMs: 200 });
      const piece = Buffer.alloc(1024 * 1024);
      const body = Array.from({ length: 64 }, () => piece);
      const headers = { 'content-length': String(64 * piece.length) };
      await assert.rejects(ask({ method: 'PUT', headers, body }), { code: 'HTTP_HEADERS_TIMEOUT' });
    });

    test('an answer that is not HTTP says so', async (t) => {
      const { ask } = await serving(t, (socket) => socket.end('SSH-2.0-OpenSSH_9.9\r\n'));
      await assert.rejects(ask(), { code: 'HTTP_MALFORMED_ANSWER' });
    });

    for (const [what, wanted] of [
      ['a line break in a value', { headers: { 'x-a': 'secret\r\nx-b: 1' } }],
      ['a line feed in a value', { headers: { 'x-a': 'secret\nx-b: 1' } }],
      ['a null in a value', { headers: { 'x-a': 'secret\0' } }],
      ['a space in a name', { headers: { 'x a': 'secret' } }],
      ['a line break in the path', { path: '/secret\r\nx: y' }],
      ['a space in the path', { path: '/secret HTTP/1.1' }],
    ] as const) {
      test(`${what} is refused, sends nothing, and is not repeated in the error`, async (t) => {
        const { ask, server } = await serving(t, (socket) => socket.write(EMPTY));
        await assert.rejects(
          ask(wanted),
          (error) => error instanceof InvalidRequest && !error.message.includes('secret'),
        );
        await ask();
        assert.doesNotMatch(server.text(), /secret/);
      });
    }

    test('closing ends requests that run and requests that wait', async (t) => {
      const { connections, ask, server } = await serving(t, () => {});
      const both = [ask(), ask()].map(async (asked) =>
        assert.rejects(asked, { code: 'HTTP_CONNECTIONS_CLOSED' }),
      );
      await until(() => server.text() !== '');
      await connections.close();
      await Promise.all(both);
      await assert.rejects(ask(), { code: 'HTTP_CONNECTIONS_CLOSED' });
    });

    test('a large body passes unchanged, however slowly it is read', async (t) => {
      const bytes = bytesOf(3_000_000);
      const { ask } = await serving(t, (socket) => {
        socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${bytes.length}\r\n\r\n`);
        socket.write(bytes);
      });
      for (const pauseEvery of [0, 1, 3]) {
        const { body } = await ask();
        let at = 0;
        for await (const piece of body) {
          if (pauseEvery > 0 && at % pauseEvery === 0) await new Promise((resolve) => setImmediate(resolve));
          assert.ok(Buffer.from(piece).equals(bytes.subarray(at, at + piece.length)), `at ${at}`);
          at += piece.length;
        }
        assert.equal(at, bytes.length);
      }
    });
  });
}
