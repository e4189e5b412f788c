// The credentials of both clouds as the settings give them, in the words of their libraries.
import { awsCredentials, type AwsCredentialsOptions, type CredentialsProvider } from '../aws/credentials.ts';
import type { Config, Secrets } from '../config/config.ts';
import type { GoogleCredentials } from '../google/access-token.ts';
import { SYSTEM_CLOCK as clock } from '../system-clock.ts';

/** For every call to AWS: given keys, else the platform's own; with the role that was asked for. */
export function awsCredentialsOf(
  config: Pick<Config, 'source'>,
  { aws }: Pick<Secrets, 'aws'>,
  chain: Pick<AwsCredentialsOptions, 'ignoresEnvironment' | 'profile'> = {},
): CredentialsProvider {
  return awsCredentials({
    ...chain,
    region: config.source.region,
    clock,
    accessKeyId: aws?.accessKeyId.reveal(),
    secretAccessKey: aws?.secretAccessKey.reveal(),
    sessionToken: aws?.sessionToken?.reveal(),
    roleArn: config.source.roleArn ?? undefined,
  });
}

/** For Google: a given key, else the platform's own. */
export function googleCredentialsOf({ google }: Pick<Secrets, 'google'>): GoogleCredentials {
  if (google === null) return { kind: 'default' };
  return {
    kind: 'service_account',
    key: {
      type: 'service_account',
      client_email: google.clientEmail,
      private_key: google.privateKey.reveal(),
      private_key_id: google.privateKeyId ?? undefined,
      project_id: google.projectId ?? undefined,
    },
  };
}
