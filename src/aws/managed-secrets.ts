// Secrets in AWS Secrets Manager: one GetSecretValue of the current version for each.
import { type SecretReader, unreadable } from '../core/secret-reader.ts';
import { awsIdentity } from './credentials.ts';
import { secretTrouble } from './secret-trouble.ts';
import type { AwsSecretsOptions } from './ssm-parameters.ts';

/** Reads secrets of one region. */
export async function openManagedSecrets(options: AwsSecretsOptions): Promise<SecretReader> {
  const { region, endpoint, credentials } = options;
  // Loaded late: most services keep no secret here.
  const { SecretsManagerClient, GetSecretValueCommand } = await import('@aws-sdk/client-secrets-manager');
  const client = new SecretsManagerClient({
    region,
    ...(endpoint === null ? {} : { endpoint }),
    credentials: async () => awsIdentity(await credentials()),
    // Whoever asks decides whether it is asked again.
    maxAttempts: 1,
  });
  return {
    read: async (name, abortSignal) => {
      try {
        const found = await client.send(new GetSecretValueCommand({ SecretId: name }), { abortSignal });
        if (found.SecretString !== undefined) return { ok: true, text: found.SecretString };
        return found.SecretBinary === undefined
          ? unreadable('refused', 'the answer holds no value')
          : unreadable('not_text', '');
      } catch (error) {
        abortSignal.throwIfAborted();
        return secretTrouble(error);
      }
    },
  };
}
