// From the text of a certificate to the key that signatures are checked with. Where it came from proves the most: the
// connection to the SNS host is checked by Node down to a root that it trusts. What is checked here comes on top.
import { type KeyObject, X509Certificate } from 'node:crypto';
import type { SnsTopic } from '../../core/sns-topic.ts';

export interface SigningCertificate {
  readonly publicKey: KeyObject;
  readonly validToMs: number;
}

const MIN_KEY_BITS = 2048;

/**
 * Reads a certificate and holds it against the clock and, where `topic` is given, against the names that SNS has in
 * that region. The chain to its issuer is not built: SNS sends the certificate alone, and its issuers change. Of a text
 * with several certificates the first one counts.
 */
export function readSigningCertificate(
  pem: string,
  topic: SnsTopic | null,
  nowMs: number,
): { readonly certificate: SigningCertificate } | { readonly problem: string } {
  let certificate: X509Certificate;
  try {
    certificate = new X509Certificate(pem);
  } catch {
    return { problem: 'it is no certificate' };
  }
  const { publicKey } = certificate;
  const validFromMs = certificate.validFromDate.getTime();
  const validToMs = certificate.validToDate.getTime();
  if (!(validFromMs <= nowMs && nowMs <= validToMs))
    return { problem: `it is valid from ${certificate.validFrom} to ${certificate.validTo}` };
  if (certificate.ca) return { problem: 'it is one that issues certificates' };
  const bits = publicKey.asymmetricKeyDetails?.modulusLength ?? 0;
  if (publicKey.asymmetricKeyType !== 'rsa' || bits < MIN_KEY_BITS)
    return { problem: `its key is not an RSA key of ${MIN_KEY_BITS} bits or more` };
  if (topic !== null && !namesOfSns(topic).some((name) => isNamed(certificate, name)))
    return { problem: `it names ${certificate.subjectAltName ?? certificate.subject}, not SNS` };
  return { certificate: { publicKey, validToMs } };
}

/** What Amazon writes into these certificates, depending on the region. */
function namesOfSns({ region, domain }: SnsTopic): string[] {
  return [
    'sns.amazonaws.com',
    `sns.${region}.${domain}`,
    `sns-signing.${region}.${domain}`,
    `sns-${region}.${domain}`,
    // Both of the regions for governments have the certificate of the older one.
    ...(region.startsWith('us-gov-') ? ['sns-us-gov-west-1.amazonaws.com'] : []),
  ];
}

function isNamed(certificate: X509Certificate, name: string): boolean {
  return certificate.checkHost(name, { subject: 'default', wildcards: false }) !== undefined;
}
