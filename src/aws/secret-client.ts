// What both services of AWS that keep secrets share: how a client is set up, and what becomes of its errors.
import type { SecretReader, SecretReading } from '../core/secret-reader.ts';
import { awsIdentity, type CredentialsProvider } from './credentials.ts';
import { secretTrouble } from './secret-trouble.ts';

export interface AwsSecretsOptions {
  readonly region: string;
  /** Scheme, host and port; null for AWS itself. */
  readonly endpoint: string | null;
  readonly credentials: CredentialsProvider;
}

/** The settings of a client of the SDK. */
export function secretClientOptions({ region, endpoint, credentials }: AwsSecretsOptions) {
  return {
    region,
    ...(endpoint === null ? {} : { endpoint }),
    credentials: async () => awsIdentity(await credentials()),
    // Whoever asks decides whether it is asked again.
    maxAttempts: 1,
  };
}

/** A reader over one call, which may throw whatever the SDK throws. */
export function secretReader(
  ask: (name: string, abortSignal: AbortSignal) => Promise<SecretReading>,
): SecretReader {
  return {
    read: async (name, signal) => {
      try {
        return await ask(name, signal);
      } catch (error) {
        signal.throwIfAborted();
        return secretTrouble(error);
      }
    },
  };
}
