// What to do about a fault that shows before there is any transfer: the table's remedy where it fits, else words for
// somebody who sets things up. The names come from the fault's own details.
import { type Fault, FAULTS, type FaultCode } from '../core/faults.ts';

const FIXES: Partial<Record<FaultCode, (fault: Fault) => string>> = {
  access_denied: ({ details }) =>
    typeof details['permission'] === 'string'
      ? `Grant ${details['permission']} to these credentials; docs/iam.md has the whole statement.`
      : 'Grant the permission that the message names; docs/iam.md has the whole statement.',
  credentials_invalid: fixOfCredentials,
  credentials_expired: () => 'Renew AWS_SESSION_TOKEN with its keys, or use a role, which renews itself.',
  wrong_region: ({ details }) =>
    typeof details['bucketRegion'] === 'string'
      ? `Set AWS_REGION=${details['bucketRegion']}.`
      : 'Set AWS_REGION to the region of the bucket: aws s3api get-bucket-location --bucket NAME.',
  source_bucket_missing: () =>
    'Correct S3_BUCKET (in the rules file: source.bucket), or create the bucket. The service creates none.',
  target_bucket_missing: () =>
    'Correct GCS_BUCKET (in the rules file: target.bucket), or create the bucket: gcloud storage buckets create. The service creates none.',
  clock_skewed: () => 'Set the clock of this machine (NTP).',
  key_access_denied: () =>
    "Allow the service to use the key (AWS: kms:Decrypt, also in the key's own policy; Google: the bucket's service agent), and see that it is enabled.",
  source_refused: () => 'Read the message: it carries what the source said.',
  target_refused: () => 'Read the message: it carries what the target said.',
  requester_pays: () => 'Turn requester-pays off for the bucket: the service does not pay for it.',
  retention_blocked: () =>
    'Remove the retention policy or the hold of the target bucket: under it nothing can be replaced or deleted.',
  quota_exhausted: () => 'Raise the quota or repair the billing account.',
  queue_missing: () => 'Correct SQS_QUEUE_URL: its account, its region and its name.',
};

/** One or two sentences for a person. */
export function fixOfFault(fault: Fault): string {
  const fix = FIXES[fault.code];
  return fix === undefined ? FAULTS[fault.code].remedy : fix(fault);
}

function fixOfCredentials({ details }: Fault): string {
  if (details['store'] === 'target')
    return 'Check the Google key (GCP_SA_KEY_B64, GCP_SA_KEY or GCP_CREDENTIALS_PATH): a deleted key, a cut text, a disabled account. Make a new one with "gcloud iam service-accounts keys create".';
  const code = details['storeCode'] ?? details['queueCode'];
  if (code === 'SignatureDoesNotMatch' || code === 'InvalidSignatureException')
    return 'AWS_SECRET_ACCESS_KEY does not belong to AWS_ACCESS_KEY_ID: copy it again, whole and without quotes.';
  if (code === 'InvalidToken')
    return 'AWS_SESSION_TOKEN does not belong to the keys: set the three that were given together, or remove it for keys that last.';
  return 'AWS knows no such AWS_ACCESS_KEY_ID: it was deleted, deactivated or mistyped. Make a new key, or use a role.';
}
