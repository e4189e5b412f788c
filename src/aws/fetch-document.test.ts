// The driver against real sockets: limits, redirects, and a server whose certificate nobody vouches for.
import assert from 'node:assert/strict';
import { createServer, type RequestListener } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { test, type TestContext } from 'node:test';
import { selfSignedCertificate } from '../triggers/testing/self-signed-certificate.ts';
import { fetchDocument } from './fetch-document.ts';

async function serve(t: TestContext, listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const limits = { maxBytes: 100, timeoutMs: 5_000 };

test('a small text is read whole, in whatever pieces it comes', async (t) => {
  const url = await serve(t, (request, response) => {
    assert.equal(request.method, 'GET');
    const bytes = Buffer.from('ünïcode');
    response.write(bytes.subarray(0, 1));
    setImmediate(() => response.end(bytes.subarray(1)));
  });
  assert.deepEqual(await fetchDocument({ url: `${url}/a.pem`, ...limits }), { status: 200, text: 'ünïcode' });
});

test('a redirect is an answer like any other: nothing is followed', async (t) => {
  let count = 0;
  const url = await serve(t, (_request, response) => {
    count += 1;
    response.writeHead(302, { location: '/elsewhere' }).end('moved');
  });
  assert.deepEqual(await fetchDocument({ url, ...limits }), { status: 302, text: '' });
  assert.equal(count, 1);
});

test('an answer that is too long, or never ends, or never begins, is given up', async (t) => {
  const url = await serve(t, (request, response) => {
    if (request.url === '/long') response.end('x'.repeat(101));
    if (request.url === '/endless') response.write('x');
  });
  await assert.rejects(fetchDocument({ url: `${url}/long`, ...limits }), /longer than 100 bytes/);
  const soon = { maxBytes: 100, timeoutMs: 50 };
  await assert.rejects(fetchDocument({ url: `${url}/endless`, ...soon }), /no whole answer within 50 ms/);
  await assert.rejects(fetchDocument({ url: `${url}/silent`, ...soon }), /no whole answer within 50 ms/);
});

test('an answer that breaks off, and a port that nobody listens on, are errors', async (t) => {
  const url = await serve(t, (_request, response) => {
    response.writeHead(200, { 'content-length': 50 }).write('x');
    setImmediate(() => response.destroy());
  });
  await assert.rejects(fetchDocument({ url, ...limits }));
  await assert.rejects(fetchDocument({ url: 'http://127.0.0.1:1/', ...limits }), /ECONNREFUSED/);
});

test('a server whose certificate nobody vouches for is not believed', async (t) => {
  const { pem, privateKey } = selfSignedCertificate({ commonName: 'localhost', names: ['localhost'] });
  let count = 0;
  const server = createTlsServer(
    { cert: pem, key: privateKey.export({ type: 'pkcs8', format: 'pem' }) },
    (_request, response) => {
      count += 1;
      response.end('certificate');
    },
  );
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  await assert.rejects(fetchDocument({ url: `https://localhost:${port}/a.pem`, ...limits }), /self-signed/);
  assert.equal(count, 0);
});
