// A certificate that nobody but the sandbox vouches for: an RSA key and an X.509 document around its public half.
import { createPrivateKey, generateKeyPair, type KeyObject, sign, X509Certificate } from 'node:crypto';
import { promisify } from 'node:util';

export interface SelfMadeCertificate {
  readonly privateKey: KeyObject;
  /** The private key as PEM, for a TLS server. */
  readonly keyPem: string;
  readonly pem: string;
  readonly certificate: X509Certificate;
}

const tags = {
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  nothing: 0x05,
  objectId: 0x06,
  utf8: 0x0c,
  sequence: 0x30,
  set: 0x31,
  time: 0x18,
  dnsName: 0x82,
  ipAddress: 0x87,
  version: 0xa0,
  extensions: 0xa3,
} as const;
const sha256WithRsa = '2a864886f70d01010b';
const commonName = '550403';
const subjectAltName = '551d11';

/** Makes a key of 2,048 bits and its certificate for these host names, valid between the two times. */
export async function makeCertificate(names: {
  readonly subject: string;
  readonly dnsNames: readonly string[];
  readonly validFromMs: number;
  readonly validToMs: number;
}): Promise<SelfMadeCertificate> {
  const pair = await promisify(generateKeyPair)('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'der' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  });
  const privateKey = createPrivateKey(pair.privateKey);
  const algorithm = der('sequence', der('objectId', Buffer.from(sha256WithRsa, 'hex')), der('nothing'));
  const name = nameOf(names.subject);
  const hosts = [
    ...names.dnsNames.map((host) => der('dnsName', Buffer.from(host))),
    der('ipAddress', Buffer.from([127, 0, 0, 1])),
  ];
  const alternatives = der(
    'sequence',
    der('objectId', Buffer.from(subjectAltName, 'hex')),
    der('octetString', der('sequence', ...hosts)),
  );
  const toBeSigned = der(
    'sequence',
    der('version', der('integer', Buffer.from([2]))),
    der('integer', Buffer.from([1])),
    algorithm,
    name,
    der('sequence', timeOf(names.validFromMs), timeOf(names.validToMs)),
    name,
    pair.publicKey,
    der('extensions', der('sequence', alternatives)),
  );
  const signature = sign('sha256', toBeSigned, privateKey);
  const whole = der('sequence', toBeSigned, algorithm, der('bitString', Buffer.from([0]), signature));
  const lines = whole.toString('base64').match(/.{1,64}/g) ?? [];
  const pem = ['-----BEGIN CERTIFICATE-----', ...lines, '-----END CERTIFICATE-----', ''].join('\n');
  return { privateKey, keyPem: pair.privateKey, pem, certificate: new X509Certificate(pem) };
}

/** One element: its tag, its length, and what is in it. */
function der(tag: keyof typeof tags, ...content: readonly Uint8Array[]): Buffer {
  const inside = Buffer.concat(content);
  const length = inside.length;
  const header =
    length < 128
      ? [tags[tag], length]
      : length < 256
        ? [tags[tag], 0x81, length]
        : [tags[tag], 0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from(header), inside]);
}

function nameOf(text: string): Buffer {
  const pair = der(
    'sequence',
    der('objectId', Buffer.from(commonName, 'hex')),
    der('utf8', Buffer.from(text)),
  );
  return der('sequence', der('set', pair));
}

function timeOf(ms: number): Buffer {
  return der('time', Buffer.from(new Date(ms).toISOString().replaceAll(/[-:T]|\.\d{3}/g, '')));
}
