// What the command `setup` works with, opened from the configuration.
import { openNotificationStore } from './aws/notification-store.ts';
import { openS3Calls } from './open-s3-calls.ts';
import { openAwsCredentials, type StoresRequest } from './open-stores.ts';
import type { ApplyParts } from './setup/apply-notifications.ts';

/** Nothing is sent before the first call; disposing of it ends its connections. */
export async function openSetup(request: StoresRequest): Promise<ApplyParts & Disposable> {
  const calls = await openS3Calls(request, openAwsCredentials(request));
  return {
    notifications: openNotificationStore(calls),
    clock: request.clock,
    [Symbol.dispose]: () => calls.close(),
  };
}
