// A certificate that signs itself, for tests: the few parts of X.509 that SNS's certificates have, written as DER.
import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';

export interface CertificateWishes {
  readonly commonName?: string;
  /** DNS names; none by default, so that the common name counts. */
  readonly names?: readonly string[];
  readonly validFromMs?: number;
  readonly validToMs?: number;
  /** One that issues certificates. */
  readonly isIssuer?: boolean;
  readonly keyBits?: number;
}

const SHA256_WITH_RSA = sequence(objectId('2a864886f70d01010b'), tagged(0x05));

/** A new key and its certificate; valid for the ten years around now where nothing else is wished. */
export function selfSignedCertificate(wishes: CertificateWishes = {}): {
  readonly pem: string;
  readonly privateKey: KeyObject;
} {
  const { commonName = 'sns.amazonaws.com', names = [], isIssuer = false, keyBits = 2048 } = wishes;
  const nowMs = Date.now();
  const { validFromMs = nowMs - 1.5e11, validToMs = nowMs + 1.5e11 } = wishes;
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: keyBits });
  const name = sequence(set(sequence(objectId('550403'), tagged(0x0c, Buffer.from(commonName)))));
  const extensions = [
    ...(names.length === 0 ? [] : [extension('551d11', sequence(...names.map(dnsName)))]),
    ...(isIssuer ? [extension('551d13', sequence(tagged(0x01, Buffer.from([0xff]))))] : []),
  ];
  const toBeSigned = sequence(
    tagged(0xa0, tagged(0x02, Buffer.from([2]))),
    tagged(0x02, Buffer.from([1])),
    SHA256_WITH_RSA,
    name,
    sequence(time(validFromMs), time(validToMs)),
    name,
    publicKey.export({ type: 'spki', format: 'der' }),
    ...(extensions.length === 0 ? [] : [tagged(0xa3, sequence(...extensions))]),
  );
  const signature = sign('sha256', toBeSigned, privateKey);
  const certificate = sequence(toBeSigned, SHA256_WITH_RSA, tagged(0x03, Buffer.from([0]), signature));
  const lines = certificate.toString('base64').match(/.{1,64}/g) ?? [];
  return {
    pem: ['-----BEGIN CERTIFICATE-----', ...lines, '-----END CERTIFICATE-----', ''].join('\n'),
    privateKey,
  };
}

function tagged(tag: number, ...contents: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(contents);
  const { length } = content;
  if (length < 0x80) return Buffer.concat([Buffer.from([tag, length]), content]);
  const digits = length.toString(16);
  const lengthBytes = Buffer.from(digits.padStart(digits.length + (digits.length % 2), '0'), 'hex');
  return Buffer.concat([Buffer.from([tag, 0x80 | lengthBytes.length]), lengthBytes, content]);
}

function sequence(...contents: readonly Uint8Array[]): Buffer {
  return tagged(0x30, ...contents);
}

function set(...contents: readonly Uint8Array[]): Buffer {
  return tagged(0x31, ...contents);
}

function objectId(hex: string): Buffer {
  return tagged(0x06, Buffer.from(hex, 'hex'));
}

function time(atMs: number): Buffer {
  const text = new Date(atMs).toISOString().replaceAll(/[-:T]|\.\d+/g, '');
  return tagged(0x18, Buffer.from(text));
}

function dnsName(name: string): Buffer {
  return tagged(0x82, Buffer.from(name));
}

function extension(idHex: string, value: Uint8Array): Buffer {
  return sequence(objectId(idHex), tagged(0x04, value));
}
