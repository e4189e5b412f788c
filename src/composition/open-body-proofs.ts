// What proves who calls beside API keys, put together: the secrets of signed calls, and SNS with its certificates.
import { fetchDocument } from '../aws/fetch-document.ts';
import type { Config, Secrets } from '../config/config.ts';
import type { HttpServerDeps } from '../http/http-deps.ts';
import { SYSTEM_CLOCK as clock } from '../system-clock.ts';
import { createSnsIntake } from '../triggers/sns/sns-intake.ts';
import { verifyWebhook } from '../triggers/webhook-signature.ts';

/** Both, as the API needs them; null where the configuration does not ask for them. */
export function openBodyProofs(
  config: Config,
  { webhookSecrets }: Secrets,
): Pick<HttpServerDeps, 'checkSignature' | 'sns'> {
  const { snsTopicArns: topicArns, snsEndpoint: endpoint } = config.intake;
  const secrets = webhookSecrets.map((secret) => secret.reveal());
  return {
    checkSignature:
      secrets.length === 0
        ? null
        : ({ headers, body }) => verifyWebhook({ headers, body, secrets, nowMs: clock.nowMs() }),
    sns: topicArns.length === 0 ? null : createSnsIntake({ topicArns, endpoint, fetchDocument, clock }),
  };
}
