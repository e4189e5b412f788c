import assert from 'node:assert/strict';
import { createVerify, generateKeyPairSync } from 'node:crypto';
import { describe, it } from 'node:test';
import { inspect } from 'node:util';
import type { Clock } from '../core/clock.ts';
import { Fault } from '../core/faults.ts';
import { cachedAccessToken, googleAccessToken, type IssuedToken } from './access-token.ts';

const EMAIL = 'copier@project.iam.gserviceaccount.com';
const PAIR = generateKeyPairSync('rsa', {
  modulusLength: 2048,
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  publicKeyEncoding: { type: 'spki', format: 'pem' },
});
const KEY = {
  type: 'service_account',
  client_email: EMAIL,
  private_key: PAIR.privateKey,
  private_key_id: 'id-1',
};
const DOWN = new Fault('credentials_unavailable', 'The token service is down');

class TestClock implements Clock {
  atMs = 1_000_000;
  nowMs(): number {
    return this.atMs;
  }
  monotonicMs(): number {
    return this.atMs;
  }
  async sleep(): Promise<void> {
    throw new Error('Nothing sleeps here');
  }
}

function issuing(
  clock: Clock,
  lifeMs: number | null,
): { count: number; failure: Fault | null; issue(): Promise<IssuedToken> } {
  return {
    count: 0,
    failure: null,
    async issue() {
      if (this.failure !== null) throw this.failure;
      this.count += 1;
      return { token: `token-${this.count}`, expiresAtMs: lifeMs === null ? null : clock.nowMs() + lifeMs };
    },
  };
}

describe('the cache of access tokens', () => {
  it('keeps a token until four minutes before its end', async () => {
    const clock = new TestClock();
    const service = issuing(clock, 3_600_000);
    const tokens = cachedAccessToken(async () => await service.issue(), clock);
    assert.equal(await tokens.get(), 'token-1');
    clock.atMs += 3_600_000 - 4 * 60_000 - 1;
    assert.equal(await tokens.get(), 'token-1');
    clock.atMs += 2;
    assert.equal(await tokens.get(), 'token-2');
  });

  it('asks once for all that wait', async () => {
    const clock = new TestClock();
    const service = issuing(clock, 3_600_000);
    const tokens = cachedAccessToken(async () => await service.issue(), clock);
    const got = await Promise.all([tokens.get(), tokens.get(), tokens.refresh(), tokens.get()]);
    assert.deepEqual(new Set(got), new Set(['token-1']));
    assert.equal(service.count, 1);
    assert.equal(await tokens.refresh(), 'token-2');
    assert.equal(await tokens.get(), 'token-2');
  });

  it('uses a token that is still valid while the token service is down', async () => {
    const clock = new TestClock();
    const service = issuing(clock, 3_600_000);
    const tokens = cachedAccessToken(async () => await service.issue(), clock);
    await tokens.get();
    service.failure = DOWN;
    clock.atMs += 3_600_000 - 60_000;
    assert.equal(await tokens.get(), 'token-1');
    await assert.rejects(tokens.refresh(), (error) => error === DOWN);
    clock.atMs += 55_000;
    await assert.rejects(tokens.get(), (error) => error === DOWN);
    service.failure = null;
    assert.equal(await tokens.get(), 'token-2');
  });

  it('says at once when the credentials are refused, however valid the old token is', async () => {
    const clock = new TestClock();
    const service = issuing(clock, 3_600_000);
    const tokens = cachedAccessToken(async () => await service.issue(), clock);
    await tokens.get();
    service.failure = new Fault('credentials_invalid', 'The key was deleted');
    clock.atMs += 3_600_000 - 60_000;
    await assert.rejects(tokens.get(), { code: 'credentials_invalid' });
  });

  it('keeps a token whose end nobody told for a few minutes', async () => {
    const clock = new TestClock();
    const service = issuing(clock, null);
    const tokens = cachedAccessToken(async () => await service.issue(), clock);
    await tokens.get();
    clock.atMs += 5 * 60_000;
    assert.equal(await tokens.get(), 'token-1');
    clock.atMs += 2 * 60_000;
    assert.equal(await tokens.get(), 'token-2');
  });
});

describe('tokens for a service account', () => {
  it('are asked for with a request that the key signed, for the storage scope only', async () => {
    const seen: { url: string; assertion: string }[] = [];
    const tokens = googleAccessToken({ kind: 'service_account', key: KEY }, new TestClock(), {
      fetch: async (input, init) => {
        const form = new URLSearchParams(bodyText(init));
        seen.push({ url: urlText(input), assertion: form.get('assertion') ?? '' });
        return Response.json({ access_token: `ya29.${seen.length}`, expires_in: 3600, token_type: 'Bearer' });
      },
    });
    assert.equal(await tokens.get(), 'ya29.1');
    assert.equal(await tokens.refresh(), 'ya29.2');
    const [first] = seen;
    assert.equal(first?.url, 'https://oauth2.googleapis.com/token');
    const [header = '', payload = '', signature = ''] = first.assertion.split('.');
    const verifier = createVerify('RSA-SHA256').update(`${header}.${payload}`);
    assert.ok(verifier.verify(PAIR.publicKey, signature, 'base64url'));
    const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as Record<string, unknown>;
    assert.equal(claims['iss'], EMAIL);
    assert.equal(claims['scope'], 'https://www.googleapis.com/auth/devstorage.read_write');
  });

  it('are asked for with another scope where somebody needs one', async () => {
    let assertion = '';
    const scope = 'https://www.googleapis.com/auth/cloud-platform';
    const tokens = googleAccessToken({ kind: 'service_account', key: KEY }, new TestClock(), {
      scope,
      fetch: async (_, init) => {
        assertion = new URLSearchParams(bodyText(init)).get('assertion') ?? '';
        return Response.json({ access_token: 'ya29.1', expires_in: 3600, token_type: 'Bearer' });
      },
    });
    await tokens.get();
    const claims = Buffer.from(assertion.split('.')[1] ?? '', 'base64url').toString();
    assert.equal((JSON.parse(claims) as { scope: unknown }).scope, scope);
  });

  it('accept a key whose line breaks were written as two characters', () => {
    const key = { ...KEY, private_key: PAIR.privateKey.replaceAll('\n', '\\n') };
    googleAccessToken({ kind: 'service_account', key }, new TestClock());
  });

  const malformed: readonly (readonly [string, object, RegExp])[] = [
    ['not an object', [], /not a JSON object/],
    ['of another kind', { ...KEY, type: 'authorized_user' }, /type service_account/],
    ['without an address', { ...KEY, client_email: '' }, /no client_email/],
    ['without a private key', { ...KEY, private_key: undefined }, /no private_key/],
    [
      'with half a private key',
      { ...KEY, private_key: PAIR.privateKey.slice(0, 800) },
      /not a private key in PEM form/,
    ],
  ];
  for (const [name, key, words] of malformed)
    it(`refuse a key ${name} at once, without showing it`, () => {
      assert.throws(
        () => googleAccessToken({ kind: 'service_account', key }, new TestClock()),
        (error: unknown) => {
          assert.ok(error instanceof Fault);
          assert.equal(error.code, 'credentials_invalid');
          assert.match(error.message, words);
          assert.ok(!inspect(error).includes(PAIR.privateKey.slice(100, 140)));
          return true;
        },
      );
    });

  const answers: readonly (readonly [string, () => Response, string])[] = [
    [
      'a deleted key',
      () =>
        Response.json(
          { error: 'invalid_grant', error_description: 'Invalid JWT Signature.' },
          { status: 400 },
        ),
      'credentials_invalid',
    ],
    [
      'a wrong clock',
      () =>
        Response.json(
          {
            error: 'invalid_grant',
            error_description:
              'Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. ' +
              'Check your iat and exp values in the JWT claim.',
          },
          { status: 400 },
        ),
      'clock_skewed',
    ],
    [
      'a refusal by policy',
      () => Response.json({ error: 'access_denied', error_description: 'Denied' }, { status: 403 }),
      'credentials_invalid',
    ],
    ['an answer without a token', () => Response.json({}), 'credentials_unavailable'],
  ];
  for (const [name, response, code] of answers)
    it(`${name} is ${code}, and the message shows no signed request`, async () => {
      const tokens = googleAccessToken({ kind: 'service_account', key: KEY }, new TestClock(), {
        fetch: async () => response(),
      });
      await assert.rejects(tokens.get(), (error: unknown) => {
        assert.ok(error instanceof Fault);
        assert.equal(error.code, code, error.message);
        assert.ok(!/eyJ|assertion/.test(inspect(error, { depth: 10 })), inspect(error, { depth: 10 }));
        return true;
      });
    });

  it('a token service that cannot be reached is credentials_unavailable', async () => {
    const tokens = googleAccessToken({ kind: 'service_account', key: KEY }, new TestClock(), {
      fetch: async () => {
        throw new TypeError('fetch failed', {
          cause: Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' }),
        });
      },
    });
    await assert.rejects(tokens.get(), { code: 'credentials_unavailable' });
  });
});

describe('tokens by workload identity federation', () => {
  it('refuse a configuration of another type', () => {
    assert.throws(() => googleAccessToken({ kind: 'federated', configuration: KEY }, new TestClock()), {
      code: 'credentials_invalid',
    });
  });
});

function bodyText(init: RequestInit | undefined): string {
  const body = init?.body;
  assert.ok(typeof body === 'string' || body instanceof URLSearchParams, inspect(body));
  return body.toString();
}

function urlText(input: string | URL | Request): string {
  return input instanceof Request ? input.url : input.toString();
}
