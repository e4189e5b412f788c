// Tokens, timeouts, deadlines, broken and impossible connections.
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { Fault } from '../../core/faults.ts';
import type { EffectAnswer, ObjectTarget, TargetLook } from '../../core/object-target.ts';
import type { AccessTokens } from '../../google/access-token.ts';
import {
  openOn,
  type RawAnswer,
  type RawRequest,
  type RawServer,
  refusal,
  resource,
  startRawServer,
} from './testing/raw-server.ts';

const LOCATION = { bucket: 'bucket', key: 'key' };

async function opened(
  t: TestContext,
  answer: (request: RawRequest) => RawAnswer,
  accessToken: AccessTokens | null = null,
): Promise<{ target: ObjectTarget; server: RawServer }> {
  const server = await startRawServer(answer);
  const target = await openOn(server.url, accessToken);
  t.after(async () => {
    await target.close();
    await server.close();
  });
  return { target, server };
}

async function look(target: ObjectTarget, signal = new AbortController().signal): Promise<TargetLook> {
  return await target.look(LOCATION, signal);
}

async function insert(
  target: ObjectTarget,
  deadlineMs = 5_000,
  signal = new AbortController().signal,
): Promise<EffectAnswer> {
  return await target.insert(
    {
      location: LOCATION,
      condition: 'absent',
      metadata: {
        contentType: null,
        cacheControl: null,
        contentDisposition: null,
        contentLanguage: null,
        contentEncoding: null,
        custom: {},
      },
      placement: { storageClass: null, kmsKeyName: null },
      body: Buffer.from('bytes'),
      crc32c: 'AAAAAA==',
      deadlineMs,
    },
    signal,
  );
}

function tokens(...issued: string[]): AccessTokens & { refreshCount: number } {
  let [current = ''] = issued;
  return {
    refreshCount: 0,
    async get() {
      return current;
    },
    async refresh() {
      this.refreshCount += 1;
      current = issued[this.refreshCount] ?? current;
      return current;
    },
  };
}

describe('access tokens in requests', () => {
  it('a 401 is answered with one new token, and the request is sent again', async (t) => {
    const accessToken = tokens('old', 'new');
    const { target, server } = await opened(
      t,
      ({ headers }) =>
        headers.authorization === 'Bearer new'
          ? { status: 200, body: resource() }
          : refusal(401, 'authError', 'Invalid Credentials'),
      accessToken,
    );
    assert.equal((await insert(target)).kind, 'committed');
    assert.equal(accessToken.refreshCount, 1);
    assert.deepEqual(
      server.requests.map(({ headers }) => headers.authorization),
      ['Bearer old', 'Bearer new'],
    );
    assert.deepEqual(
      server.requests[0]?.headers['content-length'],
      server.requests[1]?.headers['content-length'],
    );
  });

  it('a second 401 is credentials_invalid', async (t) => {
    const accessToken = tokens('old', 'new');
    const { target, server } = await opened(
      t,
      () => refusal(401, 'authError', 'Invalid Credentials'),
      accessToken,
    );
    await assert.rejects(look(target), { code: 'credentials_invalid' });
    assert.equal(server.requests.length, 2);
  });

  it('a token that was renewed in the meantime is used before another is asked for', async (t) => {
    let current = 'old';
    const accessToken: AccessTokens = {
      get: async () => current,
      refresh: async () => assert.fail('No other token is needed'),
    };
    const { target } = await opened(
      t,
      ({ headers }) => {
        const isOld = headers.authorization === 'Bearer old';
        current = 'new';
        return isOld ? refusal(401, 'authError', 'Invalid Credentials') : { status: 200, body: resource() };
      },
      accessToken,
    );
    assert.equal((await look(target)).kind, 'present');
  });

  it('a fault of the token source is thrown as it is, and nothing is sent', async (t) => {
    const fault = new Fault('credentials_unavailable', 'The token service is down');
    const accessToken: AccessTokens = {
      get: async () => await Promise.reject(fault),
      refresh: async () => '',
    };
    const { target, server } = await opened(t, () => ({ status: 500 }), accessToken);
    await assert.rejects(insert(target), (error) => error === fault);
    assert.equal(server.requests.length, 0);
  });

  it('a token that cannot stand in a header is a programming error, not an unanswered effect', async (t) => {
    const { target, server } = await opened(t, () => ({ status: 500 }), tokens('line\nbreak'));
    await assert.rejects(
      insert(target),
      (error) => !(error instanceof Fault) && !String(error).includes('break'),
    );
    assert.equal(server.requests.length, 0);
  });

  it('a token source that never answers ends with the deadline, and nothing is sent', async (t) => {
    const never: AccessTokens = {
      get: async () => await new Promise<string>(() => {}),
      refresh: async () => '',
    };
    const { target, server } = await opened(t, () => ({ status: 500 }), never);
    await assert.rejects(insert(target, 20), { code: 'credentials_unavailable' });
    const controller = new AbortController();
    const reason = new Error('the reason of the test');
    const looking = look(target, controller.signal);
    controller.abort(reason);
    await assert.rejects(looking, (error) => error === reason);
    assert.equal(server.requests.length, 0);
  });
});

describe('connections', () => {
  it('a refused connection is target_unreachable: no effect can have happened', async () => {
    const server = await startRawServer(() => ({ status: 500 }));
    await server.close();
    const target = await openOn(server.url);
    await assert.rejects(insert(target), { code: 'target_unreachable' });
    await assert.rejects(look(target), { code: 'target_unreachable' });
    await target.close();
  });

  it('a failed TLS handshake is target_unreachable', async (t) => {
    const server = await startRawServer(() => ({ status: 500 }));
    const target = await openOn(`https://${server.host}`);
    t.after(async () => {
      await target.close();
      await server.close();
    });
    await assert.rejects(insert(target), { code: 'target_unreachable' });
    assert.equal(server.requests.length, 0);
  });

  it('a connection cut before the answer leaves an effect unanswered, and is a fault of a look', async (t) => {
    const { target } = await opened(t, () => (response) => response.destroy());
    const answer = await insert(target);
    assert.ok(answer.kind === 'unanswered');
    assert.equal(answer.fault.code, 'target_error');
    await assert.rejects(look(target), { code: 'target_error' });
  });

  it('an answer cut in its middle leaves an effect unanswered', async (t) => {
    const { target } = await opened(t, () => (response) => {
      response.writeHead(200, { 'content-length': '1000' });
      response.write('{"generation":"1"', () => response.destroy());
    });
    assert.equal((await insert(target)).kind, 'unanswered');
  });

  it('headers that never come end by their own timeout', async (t) => {
    const { target } = await opened(t, () => () => {});
    const [answer] = await Promise.all([
      insert(target),
      assert.rejects(look(target), { code: 'target_error' }),
    ]);
    assert.equal(answer.kind, 'unanswered');
  });

  it('a body that stops coming ends by its own timeout', async (t) => {
    const { target } = await opened(t, () => (response) => {
      response.writeHead(200, { 'content-length': '1000' });
      response.write('{');
    });
    await assert.rejects(look(target), { code: 'target_error' });
  });

  it('an abort in the middle of a request rejects with the reason', async (t) => {
    const controller = new AbortController();
    const reason = new Error('the reason of the test');
    const { target } = await opened(t, () => () => controller.abort(reason));
    await assert.rejects(insert(target, 5_000, controller.signal), (error) => error === reason);
  });
});
