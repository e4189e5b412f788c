import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chunkedForm, decodeAwsChunked } from './aws-chunked.ts';
import { hmac } from '../signature-v4.ts';
import type { VerifiedSignature } from './signature.ts';

// The worked examples of the Amazon S3 API reference: 65 KiB of "a" in two chunks, without and with a trailer.
const scope = '20130524/us-east-1/s3/aws4_request';
const signingKey = ['us-east-1', 's3', 'aws4_request'].reduce(
  (key, part) => hmac(key, part),
  hmac('AWS4wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY', '20130524'),
);
const plainSeed = '4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9';
const trailerSeed = '106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e';
const plainBody = chunkedBody([
  'ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648',
  '0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497',
  'b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9',
]).concat('\r\n');
const trailerBody = chunkedBody([
  'b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2',
  '1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7',
  '2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992',
]).concat(
  'x-amz-checksum-crc32c:sOO8/Q==\r\n',
  'x-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n\r\n',
);

function chunkedBody([first, second, last]: string[]): string {
  return `10000;chunk-signature=${first}\r\n${'a'.repeat(65_536)}\r\n400;chunk-signature=${second}\r\n${'a'.repeat(1024)}\r\n0;chunk-signature=${last}\r\n`;
}

async function decode(
  payloadHash: string,
  body: string,
  options: { seed?: string; pieceBytes?: number } = {},
): Promise<{ bytes: Buffer; trailers: Map<string, string> }> {
  const form = chunkedForm(payloadHash);
  assert.ok(form !== null);
  const auth: VerifiedSignature = {
    payloadHash,
    signature: options.seed ?? '',
    amzDate: '20130524T000000Z',
    scope,
    signingKey,
  };
  const trailers = new Map<string, string>();
  const decoded: Uint8Array[] = [];
  for await (const piece of decodeAwsChunked(
    inPieces(body, options.pieceBytes ?? 1000),
    form,
    auth,
    trailers,
  ))
    decoded.push(Buffer.from(piece));
  return { bytes: Buffer.concat(decoded), trailers };
}

async function* inPieces(body: string, pieceBytes: number): AsyncGenerator<Uint8Array> {
  for (let offset = 0; offset < body.length; offset += pieceBytes)
    yield Buffer.from(body.slice(offset, offset + pieceBytes), 'latin1');
}

const signed = 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD';
const unsigned = 'STREAMING-UNSIGNED-PAYLOAD-TRAILER';

for (const pieceBytes of [1, 7, 8192, 1_000_000])
  test(`the published signed bodies decode when they arrive in pieces of ${pieceBytes}`, async () => {
    const plain = await decode(signed, plainBody, { seed: plainSeed, pieceBytes });
    assert.deepEqual(plain.bytes, Buffer.alloc(66_560, 'a'));
    const trailing = await decode(`${signed}-TRAILER`, trailerBody, { seed: trailerSeed, pieceBytes });
    assert.deepEqual(trailing.bytes, Buffer.alloc(66_560, 'a'));
    assert.deepEqual([...trailing.trailers], [['x-amz-checksum-crc32c', 'sOO8/Q==']]);
  });

test('an unsigned body with a trailer decodes', async () => {
  const { bytes, trailers } = await decode(
    unsigned,
    '3\r\nabc\r\n0\r\nX-Amz-Checksum-Crc32: NSRBwg==\r\n\r\n',
  );
  assert.equal(bytes.toString(), 'abc');
  assert.deepEqual([...trailers], [['x-amz-checksum-crc32', 'NSRBwg==']]);
});

const refusals: [string, string, string, string, string][] = [
  ['a changed byte', 'SignatureDoesNotMatch', signed, plainBody.replace('aaaa', 'aaba'), plainSeed],
  ['an unsigned chunk', 'SignatureDoesNotMatch', signed, '3\r\nabc\r\n0\r\n\r\n', plainSeed],
  [
    'a changed trailer',
    'SignatureDoesNotMatch',
    `${signed}-TRAILER`,
    trailerBody.replace('sOO8', 'sOO9'),
    trailerSeed,
  ],
  ['a small chunk before the last', 'InvalidChunkSizeError', unsigned, '1\r\na\r\n1\r\nb\r\n0\r\n\r\n', ''],
  ['a body that ends in a chunk', 'IncompleteBody', unsigned, '5\r\nab', ''],
  ['a body that ends before the trailers do', 'IncompleteBody', unsigned, '1\r\na\r\n0\r\n', ''],
  ['a body in no chunks', 'IncompleteBody', unsigned, 'hello\r\n', ''],
  ['a trailer that is none', 'MalformedTrailerError', unsigned, '0\r\nnothing\r\n\r\n', ''],
];

for (const [what, code, payloadHash, body, seed] of refusals)
  test(`${what} is refused`, async () => {
    await assert.rejects(decode(payloadHash, body, { seed }), { code });
  });
