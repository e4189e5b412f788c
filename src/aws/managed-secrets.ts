// Secrets in AWS Secrets Manager: one GetSecretValue of the current version for each.
import { type SecretReader, unreadable } from '../core/secret-reader.ts';
import { type AwsSecretsOptions, secretClientOptions, secretReader } from './secret-client.ts';

/** Reads secrets of one region. */
export async function openManagedSecrets(options: AwsSecretsOptions): Promise<SecretReader> {
  // Loaded late: most services keep no secret here.
  const { SecretsManagerClient, GetSecretValueCommand } = await import('@aws-sdk/client-secrets-manager');
  const client = new SecretsManagerClient(secretClientOptions(options));
  return secretReader(async (name, abortSignal) => {
    const found = await client.send(new GetSecretValueCommand({ SecretId: name }), { abortSignal });
    if (found.SecretString !== undefined) return { ok: true, text: found.SecretString };
    return found.SecretBinary === undefined
      ? unreadable('refused', 'the answer holds no value')
      : unreadable('not_text', '');
  });
}
