// What the command `setup` works with, opened from the configuration.
import { awsCredentials } from '../aws/credentials.ts';
import { openNotificationStore } from '../aws/notification-store.ts';
import { openS3Calls } from './open-s3-calls.ts';
import { openAwsCredentials, type StoresRequest } from './open-stores.ts';
import type { ApplyParts } from '../setup/apply-notifications.ts';

/**
 * With the credentials of the settings, or of a profile of the shared configuration files: who may set things up is
 * seldom who copies. Nothing is sent before the first call; disposing of it ends its connections.
 */
export async function openSetup(
  request: StoresRequest,
  profile: string | null,
): Promise<ApplyParts & Disposable> {
  const { config, clock } = request;
  const credentials =
    profile === null
      ? openAwsCredentials(request)
      : awsCredentials({ region: config.source.region, clock, profile, ignoresEnvironment: true });
  const calls = await openS3Calls(request, credentials);
  return {
    notifications: openNotificationStore(calls),
    clock,
    [Symbol.dispose]: () => calls.close(),
  };
}
