// Asks AWS whose credentials these are: the one call that needs no permission, so that its refusal is about the
// credentials themselves.
import type { CallerIdentity } from '../core/bucket-access.ts';
import { Fault, type FaultCode } from '../core/faults.ts';
import { awsIdentity, type CredentialsProvider } from './credentials.ts';

const REFUSALS: Readonly<Record<string, FaultCode>> = {
  InvalidClientTokenId: 'credentials_invalid',
  InvalidAccessKeyId: 'credentials_invalid',
  UnrecognizedClientException: 'credentials_invalid',
  SignatureDoesNotMatch: 'credentials_invalid',
  InvalidToken: 'credentials_invalid',
  IncompleteSignature: 'credentials_invalid',
  ExpiredToken: 'credentials_expired',
  ExpiredTokenException: 'credentials_expired',
  RequestExpired: 'clock_skewed',
  RequestTimeTooSkewed: 'clock_skewed',
};

const TIMEOUT_MS = 10_000;

/**
 * `endpoint` null: that of AWS in the region. Throws `credentials_*` or `clock_skewed` where AWS refuses the
 * credentials or none can be had, and the signal's reason. Whatever else happens leaves the identity unknown.
 */
export async function askCallerIdentity(
  options: {
    readonly region: string;
    readonly endpoint: string | null;
    readonly credentials: CredentialsProvider;
  },
  signal: AbortSignal,
): Promise<CallerIdentity> {
  const { region, endpoint, credentials } = options;
  signal.throwIfAborted();
  const keys = await credentials();
  const sdk = await import('@aws-sdk/client-sts');
  const client = new sdk.STSClient({
    region,
    ...(endpoint === null ? {} : { endpoint }),
    credentials: awsIdentity(keys),
    maxAttempts: 1,
    requestHandler: { connectionTimeout: TIMEOUT_MS, requestTimeout: TIMEOUT_MS },
  });
  try {
    const command = new sdk.GetCallerIdentityCommand({});
    const { Account: account, Arn: arn } = await client.send(command, { abortSignal: signal });
    return account === undefined || arn === undefined
      ? { kind: 'unknown', reason: 'the answer named no account' }
      : { kind: 'known', account, arn };
  } catch (error) {
    signal.throwIfAborted();
    const { name, message } = error instanceof Error ? error : { name: 'Error', message: String(error) };
    const code = REFUSALS[name];
    if (code === undefined) return { kind: 'unknown', reason: reasonOf(error) };
    const isLate = code === 'credentials_invalid' && /expired|not yet current/i.test(message);
    throw new Fault(
      isLate ? 'clock_skewed' : code,
      `AWS does not accept the credentials: ${name}: ${message}`,
      {
        cause: error,
        details: { store: 'source', storeCode: name },
      },
    );
  } finally {
    client.destroy();
  }
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return 'code' in error && typeof error.code === 'string' ? error.code : `${error.name}: ${error.message}`;
}
