// Secrets in AWS Systems Manager Parameter Store: one GetParameter with decryption for each.
import { type SecretReader, unreadable } from '../core/secret-reader.ts';
import { awsIdentity, type CredentialsProvider } from './credentials.ts';
import { secretTrouble } from './secret-trouble.ts';

export interface AwsSecretsOptions {
  readonly region: string;
  /** Scheme, host and port; null for AWS itself. */
  readonly endpoint: string | null;
  readonly credentials: CredentialsProvider;
}

/** Reads parameters of one region. */
export async function openSsmParameters(options: AwsSecretsOptions): Promise<SecretReader> {
  const { region, endpoint, credentials } = options;
  // Loaded late: most services keep no secret here.
  const { SSMClient, GetParameterCommand } = await import('@aws-sdk/client-ssm');
  const client = new SSMClient({
    region,
    ...(endpoint === null ? {} : { endpoint }),
    credentials: async () => awsIdentity(await credentials()),
    // Whoever asks decides whether it is asked again.
    maxAttempts: 1,
  });
  return {
    read: async (name, abortSignal) => {
      try {
        const command = new GetParameterCommand({ Name: name, WithDecryption: true });
        const text = (await client.send(command, { abortSignal })).Parameter?.Value;
        return text === undefined ? unreadable('refused', 'the answer holds no value') : { ok: true, text };
      } catch (error) {
        abortSignal.throwIfAborted();
        return secretTrouble(error);
      }
    },
  };
}
