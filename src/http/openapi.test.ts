import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openTestApi } from './testing/open-test-api.ts';

interface Operation {
  readonly summary?: string;
  readonly description?: string;
  readonly tags?: string[];
  readonly operationId?: string;
  readonly security?: object[];
  readonly responses: Record<string, { description?: string; content?: Record<string, { schema: object }> }>;
}

interface Document {
  readonly openapi: string;
  readonly info: { readonly title: string; readonly version: string };
  readonly paths: Record<string, Record<string, Operation>>;
  readonly components: { readonly schemas: Record<string, object>; readonly securitySchemes: object };
}

const OPERATIONS = [
  'DELETE /v1/backfills/{id}',
  'DELETE /v1/reconciles/{id}',
  'GET /healthz',
  'GET /metrics',
  'GET /openapi.json',
  'GET /readyz',
  'GET /v1/alerts',
  'GET /v1/backfills',
  'GET /v1/backfills/{id}',
  'GET /v1/brakes',
  'GET /v1/objects/explain',
  'GET /v1/parked',
  'GET /v1/quarantine',
  'GET /v1/quarantine/{id}',
  'GET /v1/reconciles',
  'GET /v1/reconciles/{id}',
  'GET /v1/rules',
  'GET /v1/status',
  'GET /v1/transfers',
  'GET /v1/transfers/{id}',
  'POST /v1/alerts/test',
  'POST /v1/backfills',
  'POST /v1/events',
  'POST /v1/reconciles',
  'POST /v1/redrive',
  'POST /v1/replicate',
  'POST /v1/rules/{name}/brake',
  'POST /v1/transfers/{id}/retry',
];

/** Every `$ref` anywhere in the value. */
function refsOf(value: unknown): string[] {
  if (Array.isArray(value)) return value.flatMap(refsOf);
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, inner]) =>
    name === '$ref' && typeof inner === 'string' ? [inner] : refsOf(inner),
  );
}

test('the document lists every call, each with a summary, a description and its errors', async (t) => {
  const api = await openTestApi(t);
  const answer = await api.call('GET', '/openapi.json');
  assert.equal(answer.status, 200);
  assert.match(answer.headers.get('content-type') ?? '', /^application\/json/);
  const document = JSON.parse(answer.text) as Document;
  assert.equal(document.openapi, '3.1.0');
  assert.equal(document.info.version, 'v1');
  assert.deepEqual(Object.keys(document.components.securitySchemes), ['bearer', 'signature']);
  const listed = Object.entries(document.paths).flatMap(([path, operations]) =>
    Object.entries(operations).map(([method, operation]) => ({
      name: `${method.toUpperCase()} ${path}`,
      operation,
    })),
  );
  assert.deepEqual(listed.map(({ name }) => name).sort(), OPERATIONS);
  for (const { name, operation } of listed) {
    for (const field of ['summary', 'description', 'operationId'] as const) {
      assert.ok((operation[field] ?? '') !== '', `${name} has a ${field}`);
    }
    assert.ok((operation.tags ?? []).length > 0, name);
    const isOpen = ['GET /healthz', 'GET /readyz', 'GET /openapi.json'].includes(name);
    const mayBeSigned = ['POST /v1/events', 'POST /v1/replicate'].includes(name);
    const ways = [{ bearer: [] }, ...(mayBeSigned ? [{ signature: [] }] : [])];
    assert.deepEqual(operation.security, isOpen ? [] : ways, name);
    assert.equal('401' in operation.responses, !isOpen, name);
    for (const [status, response] of Object.entries(operation.responses)) {
      if (Number(status) < 400 || response.content?.['application/json'] !== undefined) continue;
      assert.deepEqual(
        response.content?.['application/problem+json']?.schema,
        { $ref: '#/components/schemas/Problem' },
        `${name} ${status}`,
      );
    }
  }
});

test('no reference of the document leads nowhere', async (t) => {
  const api = await openTestApi(t);
  const document = JSON.parse((await api.call('GET', '/openapi.json')).text) as Document;
  const refs = new Set(refsOf(document));
  for (const name of ['Transfer', 'Receipt', 'Fault', 'Problem', 'TransferPage', 'ReplicateRequestInput']) {
    assert.ok(refs.has(`#/components/schemas/${name}`), `${name} is referred to`);
  }
  for (const ref of refs) {
    const name = /^#\/components\/schemas\/(\w+)$/.exec(ref)?.[1] ?? '';
    assert.ok(Object.hasOwn(document.components.schemas, name), ref);
  }
});

test('the document shows what a caller has to send, with an example', async (t) => {
  const api = await openTestApi(t);
  const document = JSON.parse((await api.call('GET', '/openapi.json')).text) as Document;
  const request = document.components.schemas['ReplicateRequestInput'] as {
    required: string[];
    additionalProperties: boolean;
    examples: unknown[];
  };
  assert.deepEqual(request.required, ['bucket', 'key']);
  assert.equal(request.additionalProperties, false);
  assert.equal(request.examples.length, 1);
});

test('the document tells nothing of the installation: it is the same for every configuration', async (t) => {
  const secretive = await openTestApi(t, {
    auth: 'keys',
    apiKeys: [{ scope: 'read', id: 'key-of-somebody', sha256: 'a'.repeat(64) }],
    version: '7.7.7',
    rules: [],
  });
  const text = (await secretive.call('GET', '/openapi.json')).text;
  assert.equal(text, (await (await openTestApi(t)).call('GET', '/openapi.json')).text);
  assert.doesNotMatch(text, /7\.7\.7|key-of-somebody/);
});

test('the pages that show it open without a key and load only from here, under a policy without inline script', async (t) => {
  const apiKeys = [{ scope: 'read', id: 'x', sha256: 'a'.repeat(64) }] as const;
  const api = await openTestApi(t, { auth: 'keys', apiKeys });
  for (const path of ['/docs', '/docs/']) {
    const page = await api.call('GET', path);
    assert.equal(page.status, 200);
    const policy = page.headers.get('content-security-policy') ?? '';
    assert.match(policy, /default-src 'none'; script-src 'self';/);
    assert.doesNotMatch(policy, /unsafe|https:/);
    const files = [...page.text.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, file]) => file ?? '');
    assert.ok(files.length >= 5);
    for (const file of files) {
      const url = new URL(file, api.url + path);
      assert.equal(url.origin, api.url);
      assert.equal((await api.call('GET', url.pathname)).status, 200, file);
    }
  }
  assert.equal((await api.call('GET', '/docs/json')).json?.['openapi'], '3.1.0');
});
