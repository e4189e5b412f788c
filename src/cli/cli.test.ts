// The commands against the real API over real HTTP, with the memory queue behind it.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { once } from 'node:events';
import { type TestContext, test } from 'node:test';
import { createApiKey, parseApiKeys } from '../config/api-keys.ts';
import { loadConfig } from '../config/load-config.ts';
import { Secret } from '../config/secrets.ts';
import { Fault } from '../core/faults.ts';
import { QueueUnavailable } from '../core/queue-unavailable.ts';
import { openTestApi, receiptOf, type TestApi } from '../http/testing/open-test-api.ts';
import type { CliDeps } from './cli-deps.ts';
import { runCommand } from './testing/run-command.ts';

const randomBytes = Uint8Array.from({ length: 32 }, (_, index) => index);

interface Run {
  readonly exitCode: number;
  readonly out: string;
  readonly err: string;
  readonly json: () => unknown;
}

async function run(args: readonly string[], url: string, more: Partial<CliDeps> = {}): Promise<Run> {
  const ended = await runCommand(url, args, {
    loadConfig: () =>
      loadConfig({
        env: { S3_BUCKET: 'photos', GCS_BUCKET: 'photos-copy' },
        envFileText: null,
        readFile: () => '',
        memoryBytes: 2 ** 31,
        isTerminal: false,
      }),
    createApiKey: (request) => createApiKey({ ...request, randomBytes }),
    ...more,
  });
  return { ...ended, json: () => JSON.parse(ended.out) };
}

/** Lets the next transfer end as a worker would, as soon as it is there. */
async function endNext(api: TestApi, fault: Fault | null): Promise<void> {
  for (;;) {
    const [claimed] = await api.queue.claim({ total: 1, large: 1 });
    if (claimed !== undefined) {
      const { lease } = claimed;
      if (fault === null)
        await api.queue.finish(lease, { outcome: 'already_current', receipt: receiptOf(), owed: false });
      else {
        const { code, message, details } = fault;
        await api.queue.park(lease, {
          fault: { code, message, details, atMs: 0 },
          owed: false,
          delayMsIfDirty: 0,
        });
      }
      return;
    }
    await new Promise<void>((resolve) => {
      const end = api.queue.onWork(() => {
        end();
        resolve();
      });
    });
  }
}

test('an object is handed over and its transfer printed', async (t: TestContext) => {
  const api = await openTestApi(t);
  const { exitCode, out, err } = await run(['replicate', 's3://photos/a b+%20.jpg'], api.url);
  assert.equal(exitCode, 0, err);
  assert.match(out, /^transfer-1 {2}queued/);
  const transfer = await api.queue.get('transfer-1');
  assert.deepEqual(transfer?.source, { bucket: 'photos', key: 'a b+%20.jpg' });
});

test('with --wait the end is waited for and told in words and by the exit code', async (t: TestContext) => {
  const api = await openTestApi(t);
  const waiting = run(['replicate', 's3://photos/a.jpg', '--wait', '20', '--json'], api.url);
  await endNext(api, null);
  const ended = await waiting;
  assert.equal(ended.exitCode, 0, ended.err);
  assert.match(ended.out, /"outcome": "already_current"/);
  assert.match(ended.out, /skipped: already exists/);
  const parking = run(['replicate', 's3://photos/b.jpg', '--wait', '20'], api.url);
  await endNext(api, new Fault('access_denied', 'no s3:GetObject on photos'));
  const parked = await parking;
  assert.equal(parked.exitCode, 1);
  assert.match(parked.out, /fault: {3}access_denied: no s3:GetObject on photos\n {2}remedy: {2}Grant/);
});

test('when the time of --wait is over the exit code is temporary', async (t: TestContext) => {
  const api = await openTestApi(t);
  const { exitCode, out, err } = await run(['replicate', 's3://photos/a.jpg', '--wait', '0'], api.url);
  assert.equal(exitCode, 75);
  assert.match(out, /transfer-1 {2}queued/);
  assert.match(err, /time is over/);
});

test('transfers are listed with the filters of the API, page by page', async (t: TestContext) => {
  const api = await openTestApi(t);
  for (const name of ['a', 'b', 'c']) await run(['replicate', `s3://photos/x/${name}\u001b.jpg`], api.url);
  const all = await run(['transfers', '--prefix', 'x/', '--status', 'queued', '--limit', '2'], api.url);
  assert.equal(all.exitCode, 0, all.err);
  assert.equal(all.out.trimEnd().split('\n').length, 3);
  assert.match(all.out, /photos\/x\/c\\u001b\.jpg/);
  const cursor = /--cursor (\S+)/.exec(all.err)?.[1] ?? '';
  const rest = await run(
    ['transfers', '--prefix', 'x/', '--status', 'queued', '--cursor', cursor, '--json'],
    api.url,
  );
  assert.match(rest.out, /x\/a/);
  assert.ok(!rest.out.includes('x/b'));
  const none = await run(['transfers', '--rule', 'docs'], api.url);
  assert.match(none.err, /No transfer matches/);
  const wrong = await run(['transfers', '--status', 'lost'], api.url);
  assert.equal(wrong.exitCode, 2);
  assert.match(wrong.err, /status: must be one of/);
});

test('a parked transfer is run again, and an unknown one is an error with its remedy', async (t: TestContext) => {
  const api = await openTestApi(t);
  await run(['replicate', 's3://photos/a.jpg'], api.url);
  await endNext(api, new Fault('access_denied', 'no'));
  const again = await run(['redrive', 'transfer-1'], api.url);
  assert.equal(again.exitCode, 0, again.err);
  assert.match(
    again.out,
    /^transfer-1 {2}queued again: looks at both sides once more\n {2}photos\/a\.jpg -> /,
  );
  assert.doesNotMatch(again.out, /access_denied|fault:/);
  assert.equal((await api.queue.get('transfer-1'))?.status, 'queued');
  const unknown = await run(['redrive', 'a/../b', '--json'], api.url);
  assert.equal(unknown.exitCode, 1);
  assert.match(unknown.out, /"code": "transfer_not_found"/);
});

test('records in quarantine are listed by their beginning and shown whole', async (t: TestContext) => {
  const api = await openTestApi(t);
  const none = await run(['quarantine'], api.url);
  assert.equal(none.exitCode, 0, none.err);
  assert.match(none.err, /No record is in quarantine/);
  for (const name of ['a', 'b']) {
    const record = {
      eventSource: 'aws:s3',
      eventName: 'ObjectCreated:Put',
      s3: { name, filler: '\u001b'.repeat(99) },
    };
    const posted = await api.call('POST', '/v1/events', { json: { Records: [record] } });
    assert.equal(posted.status, 202, posted.text);
  }
  const first = await run(['quarantine', '--limit', '1'], api.url);
  assert.equal(first.exitCode, 0, first.err);
  assert.match(first.out, /^ID +RECEIVED +REASON +RECORD\n\S+ +\d{4}-\S+ +\S.*\.\.\.\n$/);
  const cursor = /--cursor (\S+)/.exec(first.err)?.[1] ?? '';
  const rest = await run(['quarantine', '--cursor', cursor, '--json'], api.url);
  const { records } = rest.json() as { records: { id: string; raw: string }[] };
  assert.equal(records.length, 1);
  const [{ id, raw } = { id: '', raw: '' }] = records;
  const whole = await run(['quarantine', id], api.url);
  assert.ok(whole.out.startsWith(`${id}  received `), whole.err);
  assert.match(whole.out, /record: {2}\{.*"name":"a".*\}\n$/);
  assert.ok(!whole.out.includes('\u001b'));
  assert.equal(((await run(['quarantine', id, '--json'], api.url)).json() as { raw: string }).raw, raw);
  const unknown = await run(['quarantine', 'no/such'], api.url);
  assert.equal(unknown.exitCode, 1);
  assert.match(unknown.err, /no quarantined record "no\/such"[^]*"replicator quarantine", lists the ids/);
  assert.doesNotMatch(unknown.err, /openapi/);
});

test('what is parked is listed by reason, and all of one reason is run again', async (t: TestContext) => {
  const api = await openTestApi(t);
  const nothing = await run(['parked'], api.url);
  assert.deepEqual([nothing.exitCode, nothing.out, nothing.err], [0, '', 'Nothing is parked.\n']);
  for (const key of ['2026/a', '2026/b\u001b', '2025/c']) {
    await run(['replicate', `s3://photos/${key}`], api.url);
    await endNext(api, new Fault('access_denied', `no s3:GetObject for ${key}`));
  }
  const listed = await run(['parked'], api.url);
  assert.equal(listed.exitCode, 0, listed.err);
  assert.match(listed.out, /^3 {2}access_denied {2}\(rule default\): The service lacks a permission\n/);
  assert.match(
    listed.out,
    /example: transfer-1 {2}photos\/2026\/a: no s3:GetObject for 2026\/a\n {2}remedy: {2}Grant/,
  );
  assert.match(listed.out, /every 15 minutes/);
  const json = (await run(['parked', '--json'], api.url)).json() as { classes: { count: number }[] };
  assert.equal(json.classes[0]?.count, 3);
  const some = await run(
    ['redrive', '--fault', 'access_denied', '--rule', 'default', '--bucket', 'photos', '--prefix', '2026/'],
    api.url,
  );
  assert.deepEqual([some.exitCode, some.out], [0, '2 transfers run again\n'], some.err);
  const rest = await run(['redrive', '--fault', 'access_denied', '--json'], api.url);
  assert.deepEqual([rest.exitCode, rest.json()], [0, { redriven: 1, more: false }]);
  const none = await run(['redrive', '--rule', 'default'], api.url);
  assert.deepEqual([none.exitCode, none.out], [0, '0 transfers run again\n']);
  assert.deepEqual((await api.queue.claim({ total: 10, large: 10 })).length, 3);
});

test('a redrive that names nothing, too much or an unknown fault is refused', async (t: TestContext) => {
  const api = await openTestApi(t);
  const cases: readonly (readonly [args: string[], err: RegExp])[] = [
    [[], /at least one of --fault, --rule, --bucket, --prefix/],
    [['transfer-1', '--fault', 'access_denied'], /not both/],
    [
      ['--fault', 'no_such'],
      /fault: "no_such" is no code of the fault table \(docs\/faults\.md lists them\)/,
    ],
    [['--fault', 'acess_denied'], /"acess_denied" .*; did you mean access_denied\?/],
    [['--prefix', ''], /prefix: must not be empty/],
  ];
  for (const [args, err] of cases) {
    const refused = await run(['redrive', ...args], api.url);
    assert.equal(refused.exitCode, 2, args.join(' '));
    assert.match(refused.err, err);
  }
});

test('a redrive that was cut short is partial', async (t: TestContext) => {
  const server = createServer((_request, answer) =>
    answer.writeHead(202, { 'content-type': 'application/json' }).end('{"redriven":7,"more":true}'),
  );
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const cut = await run(['redrive', '--rule', 'default'], `http://127.0.0.1:${port}`);
  assert.deepEqual([cut.exitCode, cut.out], [3, '7 transfers run again\n']);
  assert.match(cut.err, /run this again/);
});

test('the story of an object is told', async (t: TestContext) => {
  const api = await openTestApi(t, {
    explain: async (source) => ({
      source,
      reason: null,
      rules: [
        {
          ruleName: 'default',
          target: { bucket: 'photos-copy', key: source.key },
          sourceNow: { kind: 'absent' },
          targetNow: {
            kind: 'unknown',
            fault: { code: 'access_denied', message: 'no storage.objects.get', details: {}, atMs: 0 },
          },
          verdict: 'it would delete nothing',
          outcomeNow: null,
          transfers: [],
        },
      ],
    }),
  });
  const { exitCode, out, err } = await run(['explain', 's3://photos/a?b#c.jpg'], api.url);
  assert.equal(exitCode, 0, err);
  assert.match(out, /photos\/a\?b#c\.jpg/);
  assert.match(out, /source now: absent/);
  assert.match(out, /target now: unknown: no storage\.objects\.get; Grant/);
  assert.match(out, /it would delete nothing/);
});

test('a key is sent, and a missing or weak one is an error that says which is needed', async (t: TestContext) => {
  const { key, entry } = createApiKey({ scope: 'write', id: 'ci', randomBytes });
  const parsed = parseApiKeys(entry);
  assert.ok(parsed.ok);
  const api = await openTestApi(t, { auth: 'keys', apiKeys: parsed.value });
  const missing = await run(['replicate', 's3://photos/a.jpg'], api.url);
  assert.equal(missing.exitCode, 1);
  assert.match(missing.err, /no valid API key/);
  assert.match(missing.err, /\nSet REPLICATOR_API_KEY \(in \.env\) to a key of scope write or admin\.\n/);
  const apiKey = new Secret(key);
  const loadClient = () => ({ kind: 'ok' as const, url: api.url, apiKey });
  const sent = await run(['replicate', 's3://photos/a.jpg'], api.url, { loadClient });
  assert.equal(sent.exitCode, 0, sent.err);
  const weak = await run(['transfers'], api.url, { loadClient });
  assert.equal(weak.exitCode, 1);
  assert.match(weak.err, /Set REPLICATOR_API_KEY \(in \.env\) to a key of scope read or admin\./);
  const weaker = await run(['redrive', 'transfer-1'], api.url, { loadClient });
  assert.match(weaker.err, /Set REPLICATOR_API_KEY \(in \.env\) to a key of scope admin\./);
  assert.ok(!`${weak.err}${weak.out}${missing.err}`.includes(key));
});

test('an object without a rule is refused with the words of the service', async (t: TestContext) => {
  const api = await openTestApi(t);
  const { exitCode, err } = await run(['replicate', 's3://elsewhere/a.jpg'], api.url);
  assert.equal(exitCode, 1);
  assert.match(err, /No rule covers this object/);
});

test('a service that is not there is temporary, and one that is another program is said', async (t: TestContext) => {
  const other = createServer((_request, answer) => answer.end('<html>hello</html>'));
  other.listen(0, '127.0.0.1');
  await once(other, 'listening');
  const { port } = other.address() as AddressInfo;
  const url = `http://127.0.0.1:${port}`;
  const strange = await run(['transfers'], url);
  assert.equal(strange.exitCode, 1);
  assert.match(strange.err, /not as the replicator does/);
  other.closeAllConnections();
  other.close();
  await once(other, 'close');
  const gone = await run(['transfers', '--json'], url);
  assert.equal(gone.exitCode, 75);
  assert.match(gone.out, /"code": "service_unreachable"/);
  assert.match(gone.out, /ECONNREFUSED/);
  t.diagnostic('both servers are closed');
});

test('a service whose queue cannot be reached is temporary', async (t: TestContext) => {
  const api = await openTestApi(t);
  Object.assign(api.queue, {
    list: async () => {
      throw new QueueUnavailable('no answer');
    },
  });
  const { exitCode, err } = await run(['transfers'], api.url);
  assert.equal(exitCode, 75);
  assert.match(err, /The queue cannot be used now.*\n.*Retry-After/);
});

test('a redirect is not followed, because the key would travel along', async (t: TestContext) => {
  const asked: string[] = [];
  const server = createServer((request, answer) => {
    asked.push(request.url ?? '');
    answer.writeHead(307, { location: '/elsewhere' }).end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const { exitCode } = await run(['transfers'], `http://127.0.0.1:${port}`);
  assert.notEqual(exitCode, 0);
  assert.deepEqual(asked, ['/v1/transfers']);
});

test('Ctrl-C while waiting ends with 130', async (t: TestContext) => {
  const api = await openTestApi(t);
  const interrupt = new AbortController();
  const waiting = run(['replicate', 's3://photos/a.jpg', '--wait', '60'], api.url, {
    signal: interrupt.signal,
  });
  while ((await api.queue.list({ filter: {}, cursor: null, limit: 1 })).transfers.length === 0)
    await new Promise((resolve) => setImmediate(resolve));
  interrupt.abort();
  assert.equal((await waiting).exitCode, 130);
});

test('wrong use ends with 2 and help with 0', async () => {
  const url = 'http://127.0.0.1:9';
  for (const args of [
    [],
    ['unknown'],
    ['replicate'],
    ['replicate', 'photos/a.jpg'],
    ['replicate', 's3://photos/a.jpg', '--wait', 'long'],
    ['keys', 'create', '--id', 'x'],
    ['keys', 'create', '--scope', 'root', '--id', 'x'],
    ['keys', 'create', '--scope', 'read', '--id', 'a b'],
  ])
    assert.equal((await run(args, url)).exitCode, 2, args.join(' '));
  assert.equal((await run(['--help'], url)).exitCode, 0);
  assert.equal((await run(['--version'], url)).out, '9.8.7\n');
});

test('a key is printed once with the entry that accepts it', async () => {
  const made = await run(['keys', 'create', '--scope', 'admin', '--id', 'ops'], 'http://127.0.0.1:9');
  const [key = '', entry = ''] = made.out.split('\n');
  assert.match(key, /^rpl_ops_[\w-]{43}$/);
  assert.match(entry, /^admin:ops:[0-9a-f]{64}$/);
  const json = await run(
    ['keys', 'create', '--scope', 'admin', '--id', 'ops', '--json'],
    'http://127.0.0.1:9',
  );
  assert.deepEqual(json.json(), { scope: 'admin', id: 'ops', key, entry });
});

test('a wrong configuration is printed with every problem and ends with 2', async () => {
  const { exitCode, out, err } = await run(['config', 'print'], 'http://127.0.0.1:9');
  assert.equal(exitCode, 2);
  assert.match(out, /S3_BUCKET +photos +environment/);
  assert.match(err, /AWS_REGION: is not set/);
});
