// Calls to S3 beside the data path, through the SDK: opened late, because nothing of a running service needs them. A
// refusal becomes the fault that the caller's translator makes of it, so that S3 is understood in one place only.
import type * as S3Sdk from '@aws-sdk/client-s3';
import type { Fault } from '../core/faults.ts';
import { awsIdentity, type CredentialsProvider } from './credentials.ts';

/** What S3 answered instead of a success. */
export interface S3Refusal {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** Null for answers without a document. */
  readonly code: string | null;
  readonly message: string | null;
  /** The region that the answer names; null where it names none. */
  readonly bucketRegion: string | null;
  /** Everything else that the document says, by name. */
  readonly fields: Readonly<Record<string, string>>;
}

/** What was asked for, and which permission it needs. */
export interface S3CallSubject {
  readonly permission: `s3:${string}`;
  readonly bucket: string;
  /** Null for calls about the bucket itself. */
  readonly key: string | null;
}

/** Makes faults of what went wrong with a call. */
export interface S3Translator {
  refused(refusal: S3Refusal, subject: S3CallSubject): Fault;
  /** The connection failed, or what came was no answer of S3. */
  broken(error: unknown): Fault;
}

export interface S3CallsOptions {
  readonly region: string;
  /** Base URL of another provider; null for Amazon. */
  readonly endpoint: string | null;
  readonly credentials: CredentialsProvider;
  /** The account id that must own the bucket; null where any may. */
  readonly expectedOwner: (bucket: string) => string | null;
  readonly translator: S3Translator;
}

const CONNECT_TIMEOUT_MS = 5_000;
const REQUEST_TIMEOUT_MS = 30_000;

/** The open client and what all its calls share. */
export class S3Calls {
  readonly #options: S3CallsOptions;
  readonly #client: S3Sdk.S3Client;
  readonly sdk: typeof S3Sdk;

  private constructor(options: S3CallsOptions, sdk: typeof S3Sdk) {
    const { region, endpoint, credentials } = options;
    this.#options = options;
    this.sdk = sdk;
    this.#client = new sdk.S3Client({
      region,
      ...(endpoint === null ? {} : { endpoint, forcePathStyle: true }),
      credentials: async () => awsIdentity(await credentials()),
      // A write that was sent twice could undo what somebody else wrote in between.
      maxAttempts: 1,
      requestHandler: { connectionTimeout: CONNECT_TIMEOUT_MS, requestTimeout: REQUEST_TIMEOUT_MS },
    });
  }

  /** Nothing is sent before the first call. */
  static async open(options: S3CallsOptions): Promise<S3Calls> {
    return new S3Calls(options, await import('@aws-sdk/client-s3'));
  }

  /** Bucket and owner, as every call names them. */
  addressOf(bucket: string): { readonly Bucket: string; readonly ExpectedBucketOwner?: string } {
    const owner = this.#options.expectedOwner(bucket);
    return { Bucket: bucket, ...(owner === null ? {} : { ExpectedBucketOwner: owner }) };
  }

  /** Sends one call. `onRefusal` may make an answer of a refusal; where it answers null the fault is thrown. */
  async ask<Answer>(
    subject: S3CallSubject,
    send: (client: S3Sdk.S3Client, options: { readonly abortSignal: AbortSignal }) => Promise<Answer>,
    signal: AbortSignal,
    onRefusal: (refusal: S3Refusal) => Answer | null = () => null,
  ): Promise<Answer> {
    signal.throwIfAborted();
    try {
      return await send(this.#client, { abortSignal: signal });
    } catch (error) {
      signal.throwIfAborted();
      const refusal = error instanceof this.sdk.S3ServiceException ? refusalOf(error) : null;
      if (refusal === null) throw this.#options.translator.broken(error);
      const answer = onRefusal(refusal);
      if (answer !== null) return answer;
      throw this.#options.translator.refused(refusal, subject);
    }
  }

  close(): void {
    this.#client.destroy();
  }
}

/** An answer with an error status; null where the SDK could not read a success, which is no answer of S3. */
function refusalOf(error: S3Sdk.S3ServiceException): S3Refusal | null {
  const status = error.$response?.statusCode ?? error.$metadata.httpStatusCode ?? 0;
  if (status < 300) return null;
  const headers = error.$response?.headers ?? {};
  const fields = Object.fromEntries(
    Object.entries(error).filter((pair): pair is [string, string] => typeof pair[1] === 'string'),
  );
  // Without a document the SDK makes up a name.
  const code = fields['Code'] ?? null;
  return {
    status,
    headers,
    code,
    message: code === null ? null : error.message,
    bucketRegion: headers['x-amz-bucket-region'] ?? fields['Region'] ?? null,
    fields,
  };
}
