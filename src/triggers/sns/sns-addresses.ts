// Which addresses in a message of SNS may be asked at all. Whoever sends a message chooses what stands in it, so that
// an address counts only where it is, to the letter, one of the SNS host of the topic's own region.
import type { SnsTopic } from '../../core/sns-topic.ts';

/** The files that SNS keeps its certificates in. */
const CERTIFICATE_PATH = /^\/SimpleNotificationService-[A-Za-z0-9]{1,64}\.pem$/;
const CERTIFICATE_PATH_ELSEWHERE = /^\/(?:[\w-]+\/){0,4}SimpleNotificationService-[A-Za-z0-9]{1,64}\.pem$/;

/** True where the certificate of a message of this topic may be fetched from there. `endpoint`: see below. */
export function isCertificateUrl(url: string, topic: SnsTopic, endpoint: string | null): boolean {
  const address = URL.parse(url);
  if (address === null || address.href !== url) return false;
  const path = endpoint === null ? CERTIFICATE_PATH : CERTIFICATE_PATH_ELSEWHERE;
  return url === `${originOf(topic, endpoint)}${address.pathname}` && path.test(address.pathname);
}

/**
 * True where a GET of the address confirms the subscription to this topic with this token, and does nothing else.
 * `endpoint` is the scheme, host and port of something that speaks for SNS; null for Amazon itself.
 */
export function isConfirmationUrl(
  url: string,
  expected: { readonly topicArn: string; readonly token: string },
  topic: SnsTopic,
  endpoint: string | null,
): boolean {
  const address = URL.parse(url);
  if (address === null || address.origin !== originOf(topic, endpoint)) return false;
  if (address.username !== '' || address.password !== '' || address.hash !== '') return false;
  if (endpoint === null && address.pathname !== '/') return false;
  const asked = [...address.searchParams].map(([name, value]) => `${name}=${value}`).sort();
  const { topicArn, token } = expected;
  return asked.join('\n') === `Action=ConfirmSubscription\nToken=${token}\nTopicArn=${topicArn}`;
}

function originOf(topic: SnsTopic, endpoint: string | null): string {
  return endpoint ?? `https://${topic.host}`;
}
