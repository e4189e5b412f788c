// Two clouds on this machine: the sandbox S3 and the sandbox GCS with one bucket each, and the settings under which
// the service, the vendors' SDKs and other tools use them.
import { startSandboxGcs, type SandboxGcs, type SandboxGcsOptions } from './gcs/sandbox-gcs.ts';
import { startSandboxS3, type SandboxS3 } from './s3/sandbox-s3.ts';

/** Credentials of the sandbox only: they open nothing else. */
export const SANDBOX_KEYS = {
  accessKeyId: 'SANDBOXACCESSKEY',
  secretAccessKey: 'sandbox-secret-key',
} as const;
export const SOURCE_BUCKET = 'demo-source';
export const TARGET_BUCKET = 'demo-target';

export interface TwoClouds {
  readonly s3: SandboxS3;
  readonly gcs: SandboxGcs;
  /** Settings of the service for these clouds. */
  readonly settings: Readonly<Record<string, string>>;
  close(): Promise<void>;
}

/** Starts both on loopback; port 0 picks a free one. Without `keepBytes` the target keeps only sizes and checksums. */
export async function startTwoClouds(options: {
  readonly s3: number;
  readonly gcs: number;
  readonly keepBytes?: boolean;
  /** The target answers 429 to a second change of one name within a second; false by default. */
  readonly rateLimitPerObject?: boolean;
  readonly onTargetChange?: SandboxGcsOptions['onChange'];
  /** The target's clock; the machine's by default. */
  readonly targetNowMs?: () => number;
}): Promise<TwoClouds> {
  const s3 = await startSandboxS3({ port: options.s3, ...SANDBOX_KEYS });
  s3.createBucket(SOURCE_BUCKET);
  const gcs = await startSandboxGcs({
    port: options.gcs,
    keepBytes: options.keepBytes ?? true,
    rateLimitPerObject: options.rateLimitPerObject ?? false,
    ...(options.targetNowMs === undefined ? {} : { nowMs: options.targetNowMs }),
    ...(options.onTargetChange === undefined ? {} : { onChange: options.onTargetChange }),
  });
  gcs.createBucket(TARGET_BUCKET);
  return {
    s3,
    gcs,
    settings: {
      AWS_ACCESS_KEY_ID: SANDBOX_KEYS.accessKeyId,
      AWS_SECRET_ACCESS_KEY: SANDBOX_KEYS.secretAccessKey,
      AWS_REGION: 'us-east-1',
      AWS_ENDPOINT_URL_S3: s3.url,
      STORAGE_EMULATOR_HOST: gcs.url,
      S3_BUCKET: SOURCE_BUCKET,
      GCS_BUCKET: TARGET_BUCKET,
    },
    async close() {
      await s3.close();
      await gcs.close();
    },
  };
}
