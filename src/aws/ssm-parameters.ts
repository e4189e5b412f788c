// Secrets in AWS Systems Manager Parameter Store: one GetParameter with decryption for each.
import { type SecretReader, unreadable } from '../core/secret-reader.ts';
import { type AwsSecretsOptions, secretClientOptions, secretReader } from './secret-client.ts';

/** Reads parameters of one region. */
export async function openSsmParameters(options: AwsSecretsOptions): Promise<SecretReader> {
  // Loaded late: most services keep no secret here.
  const { SSMClient, GetParameterCommand } = await import('@aws-sdk/client-ssm');
  const client = new SSMClient(secretClientOptions(options));
  return secretReader(async (name, abortSignal) => {
    const command = new GetParameterCommand({ Name: name, WithDecryption: true });
    const text = (await client.send(command, { abortSignal })).Parameter?.Value;
    return text === undefined ? unreadable('refused', 'the answer holds no value') : { ok: true, text };
  });
}
