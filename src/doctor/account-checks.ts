// Are the credentials accepted at all, before anything is asked of a bucket.
import { type CheckResult, check, ok, skipped } from './check-result.ts';
import type { DoctorParts } from './doctor-parts.ts';

/** Whose AWS credentials these are. */
export async function checkAwsIdentity(parts: DoctorParts, signal: AbortSignal): Promise<CheckResult> {
  const subject = { name: 'source: credentials', call: 'sts:GetCallerIdentity' };
  return check(subject, async () => {
    const identity = await parts.callerIdentity(signal);
    if (identity.kind === 'unknown')
      return skipped(
        `Nobody tells whose credentials these are (${identity.reason}); the next checks use them`,
      );
    const owners = parts.rules.flatMap(({ source }) => source.expectedOwner ?? []);
    const others = [...new Set(owners.filter((owner) => owner !== identity.account))];
    const across = others.length === 0 ? '' : `; buckets of ${others.join(', ')} are another account's`;
    return ok(`${identity.arn} (account ${identity.account})${across}`);
  });
}

/** Whether Google gives a token for the credentials. */
export async function checkGoogleToken({ target }: DoctorParts): Promise<CheckResult> {
  const { authorize } = target;
  const subject = { name: 'target: credentials', call: 'access token' };
  if (authorize === null) return { ...subject, ...skipped(`${target.name} takes no credentials`) };
  return check(subject, async () => {
    await authorize();
    return ok('Google gives an access token');
  });
}
