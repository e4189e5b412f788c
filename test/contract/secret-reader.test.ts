// The contract of the places that keep secrets, over HTTP against servers that speak their protocols, and over files.
import assert from 'node:assert/strict';
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { readFileSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import { createServer, type Server } from 'node:net';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { openManagedSecrets } from '../../src/aws/managed-secrets.ts';
import { openSsmParameters } from '../../src/aws/ssm-parameters.ts';
import { crc32c } from '../../src/core/checksum.ts';
import { Fault } from '../../src/core/faults.ts';
import { openSecretVersions } from '../../src/google/secret-versions.ts';
import { fileSecrets } from '../../src/secrets/file-secret.ts';
import { type Kept, startSecretServer } from '../../src/secrets/testing/secret-server.ts';
import {
  type ExpectedTrouble,
  type SecretPlaceUnderTest,
  secretReaderContract,
} from './secret-reader.contract.ts';

const KEYS = { accessKeyId: 'AKIAIOSFODNN7EXAMPLE', secretAccessKey: 'for-tests' };
const patient = new AbortController().signal;

function refused(status: number, code: string, message?: string): Kept {
  return { refusal: { status, code, ...(message === undefined ? {} : { message }) } };
}

const KMS_WORDS =
  'The ciphertext refers to a customer master key that does not exist, does not exist in this region, or you are not allowed to access.';

/** What both services of AWS answer alike. */
const AWS_FAILURES: readonly (readonly [Kept, ExpectedTrouble])[] = [
  [
    refused(400, 'AccessDeniedException', 'User: arn:aws:iam::1:user/x is not authorized'),
    { kind: 'denied', mayPass: false, says: /AccessDeniedException: User: arn/ },
  ],
  [refused(400, 'AccessDeniedException', KMS_WORDS), { kind: 'key_denied', mayPass: false }],
  [
    refused(400, 'AccessDeniedException', 'Access to KMS is not allowed'),
    { kind: 'key_denied', mayPass: false },
  ],
  [
    refused(400, 'UnrecognizedClientException', 'The security token is invalid'),
    { kind: 'credentials_refused', mayPass: false },
  ],
  [refused(403, 'ExpiredTokenException'), { kind: 'credentials_refused', mayPass: false }],
  [
    refused(400, 'InvalidSignatureException', 'Signature expired: 2026 is now earlier'),
    { kind: 'credentials_refused', mayPass: true },
  ],
  [refused(400, 'ThrottlingException', 'Rate exceeded'), { kind: 'unreachable', mayPass: true }],
  [refused(500, 'InternalServerError'), { kind: 'unreachable', mayPass: true }],
  [
    refused(400, 'ValidationException', 'not like this'),
    { kind: 'refused', mayPass: false, says: /not like this/ },
  ],
];

async function openAws(
  service: 'ssm' | 'secretsmanager',
  more: readonly (typeof AWS_FAILURES)[number][],
): Promise<SecretPlaceUnderTest> {
  const server = await startSecretServer();
  const options = { region: 'eu-central-1', endpoint: server.url, credentials: async () => KEYS };
  const reader = await (service === 'ssm' ? openSsmParameters(options) : openManagedSecrets(options));
  const failures = [...AWS_FAILURES, ...more].map(([kept, expected], index) => {
    server.kept.set(`${service} fails-${index}`, kept);
    return [`fails-${index}`, expected] as const;
  });
  server.kept.set(`${service} silent`, { refusal: null });
  return {
    reader,
    keep: async (secret) => {
      server.kept.set(`${service} kept`, secret);
      return 'kept';
    },
    missingName: '/nowhere',
    failing: new Map(failures),
    silentName: 'silent',
    [Symbol.asyncDispose]: async () => server[Symbol.asyncDispose](),
  };
}

secretReaderContract('AWS Systems Manager', async () =>
  openAws('ssm', [
    [refused(400, 'ParameterVersionNotFound'), { kind: 'missing', mayPass: false }],
    [refused(400, 'InvalidKeyId', 'the key is disabled'), { kind: 'key_denied', mayPass: false }],
  ]),
);

secretReaderContract('AWS Secrets Manager', async () =>
  openAws('secretsmanager', [
    [new Uint8Array([0xff, 0x00]), { kind: 'not_text', mayPass: false }],
    [
      refused(400, 'InvalidRequestException', 'it was marked for deletion'),
      { kind: 'disabled', mayPass: false, says: /marked for deletion/ },
    ],
    [refused(400, 'DecryptionFailure'), { kind: 'key_denied', mayPass: false }],
  ]),
);

secretReaderContract('Google Secret Manager', async () => {
  const server = await startSecretServer();
  const names = (secret: string) => `projects/p/secrets/${secret}/versions/latest`;
  const failures = [
    [
      'denied',
      refused(403, 'PERMISSION_DENIED', "Permission 'secretmanager.versions.access' denied"),
      { kind: 'denied', mayPass: false, says: /versions\.access/ },
    ],
    [
      'off',
      refused(403, 'SERVICE_DISABLED', 'has not been used in project 1 before'),
      { kind: 'service_off', mayPass: false },
    ],
    [
      'disabled',
      refused(400, 'FAILED_PRECONDITION', 'is in DISABLED state.'),
      { kind: 'disabled', mayPass: false, says: /DISABLED/ },
    ],
    ['token', refused(401, 'UNAUTHENTICATED'), { kind: 'credentials_refused', mayPass: false }],
    ['busy', refused(429, 'RESOURCE_EXHAUSTED'), { kind: 'unreachable', mayPass: true }],
    ['down', refused(503, 'UNAVAILABLE'), { kind: 'unreachable', mayPass: true }],
    ['odd', refused(400, 'INVALID_ARGUMENT'), { kind: 'refused', mayPass: false }],
    ['bytes', new Uint8Array([0xff, 0xfe, 0x00]), { kind: 'not_text', mayPass: false }],
  ] as const;
  for (const [name, kept] of failures) server.kept.set(`google ${names(name)}`, kept);
  server.kept.set(`google ${names('silent')}`, { refusal: null });
  const tokens = { get: async () => 'a-token', refresh: async () => 'a-token' };
  return {
    reader: openSecretVersions({ endpoint: server.url, location: null, tokens }),
    keep: async (secret: string) => {
      server.kept.set(`google ${names('kept')}`, secret);
      return names('kept');
    },
    missingName: names('nowhere'),
    failing: new Map(failures.map(([name, , expected]) => [names(name), expected])),
    silentName: names('silent'),
    async [Symbol.asyncDispose]() {
      assert.ok(server.seen.every(({ caller }) => caller === 'a-token'));
      await server[Symbol.asyncDispose]();
    },
  };
});

secretReaderContract('a file', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'replicator-secret-'));
  const path = (name: string) => join(folder, name);
  await mkdir(path('folder'));
  await writeFile(path('bytes'), Buffer.from([0xff, 0xfe, 0x41]));
  await writeFile(path('huge'), 'x'.repeat(100_000));
  await writeFile(path('closed'), 'secret');
  await chmod(path('closed'), 0);
  const isRoot = await readFile(path('closed')).then(
    () => true,
    () => false,
  );
  const failing: [string, ExpectedTrouble][] = [
    [path('folder'), { kind: 'refused', mayPass: false, says: /folder/ }],
    [path('bytes'), { kind: 'not_text', mayPass: false }],
    [path('huge'), { kind: 'refused', mayPass: false, says: /100000 characters/ }],
  ];
  if (!isRoot) failing.push([path('closed'), { kind: 'denied', mayPass: false, says: /EACCES/ }]);
  return {
    reader: fileSecrets((name) => readFileSync(name, 'utf8')),
    keep: async (secret: string) => {
      await writeFile(path('kept'), `${secret}\n`);
      return path('kept');
    },
    missingName: path('nowhere'),
    failing: new Map(failing),
    silentName: null,
    [Symbol.asyncDispose]: async () => rm(folder, { recursive: true }),
  };
});

test('a port where nobody listens is unreachable, and may be asked again', async () => {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const endpoint = addressOf(server);
  server.close();
  await once(server, 'close');
  const options = { region: 'eu-central-1', endpoint, credentials: async () => KEYS };
  const readers = [
    await openSsmParameters(options),
    await openManagedSecrets(options),
    openSecretVersions({ endpoint, location: null, tokens: null }),
  ];
  for (const reader of readers) {
    const reading = await reader.read('projects/p/secrets/s/versions/1', patient);
    assert.ok(!reading.ok);
    assert.equal(reading.trouble.kind, 'unreachable');
    assert.equal(reading.trouble.mayPass, true);
    assert.match(reading.trouble.detail, /ECONNREFUSED/);
  }
});

test('credentials that cannot be had are told apart from those that are refused', async () => {
  await using server = await startSecretServer();
  const fail = async () => {
    throw new Fault('credentials_unavailable', 'No AWS credentials could be obtained: none');
  };
  const options = { region: 'eu-central-1', endpoint: server.url, credentials: fail };
  for (const reader of [await openSsmParameters(options), await openManagedSecrets(options)]) {
    const reading = await reader.read('x', patient);
    assert.equal(!reading.ok && reading.trouble.kind, 'no_credentials');
  }
  for (const [code, kind] of [
    ['credentials_unavailable', 'no_credentials'],
    ['credentials_invalid', 'credentials_refused'],
  ] as const) {
    const get = async () => {
      throw new Fault(code, 'none');
    };
    const reader = openSecretVersions({
      endpoint: server.url,
      location: null,
      tokens: { get, refresh: get },
    });
    const reading = await reader.read('projects/p/secrets/s/versions/1', patient);
    assert.equal(!reading.ok && reading.trouble.kind, kind);
  }
  assert.deepEqual(server.seen, []);
});

test('what arrives from Google with another checksum than it was sent with is not used', async (t) => {
  const data = Buffer.from('sEcret').toString('base64');
  const server = createHttpServer((_, res) => {
    res.end(JSON.stringify({ payload: { data, dataCrc32c: String(crc32c(Buffer.from('secret'))) } }));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const reader = openSecretVersions({ endpoint: addressOf(server), location: null, tokens: null });
  const reading = await reader.read('projects/p/secrets/s/versions/1', patient);
  assert.equal(!reading.ok && reading.trouble.kind, 'damaged');
});

function addressOf(server: Server): string {
  const address = server.address();
  assert.ok(address !== null && typeof address === 'object');
  return `http://127.0.0.1:${address.port}`;
}
