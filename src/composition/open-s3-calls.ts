// Opens the calls to S3 beside the data path, with the faults that the source's driver has.
import { S3Calls } from '../aws/s3-calls.ts';
import type { CredentialsProvider } from '../aws/credentials.ts';
import { expectedOwnerOf } from '../core/rule.ts';
import type { StoresRequest } from './open-stores.ts';
import { s3Translator } from '../stores/s3/sdk-faults.ts';

/** Nothing is sent before the first call. `credentials` are those of `openAwsCredentials`. */
export async function openS3Calls(
  { config, clock }: StoresRequest,
  credentials: CredentialsProvider,
): Promise<S3Calls> {
  const { region, endpoint } = config.source;
  const expectedOwner = (bucket: string): string | null => expectedOwnerOf(config.rules, bucket);
  const translator = s3Translator({ region, endpoint, expectedOwner, clock });
  return S3Calls.open({ region, endpoint, credentials, expectedOwner, translator });
}
