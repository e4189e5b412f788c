// Where AWS credentials come from: given keys, or whatever the AWS SDK's default chain finds (environment, profile,
// SSO, process, web identity, container, instance). Cached, renewed in time, one renewal in flight.
import type { Clock } from '../core/clock.ts';
import { Fault } from '../core/faults.ts';

export interface AwsCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string | undefined;
  /** When they stop being accepted; absent for keys that last. */
  readonly expiration?: Date | undefined;
}

/**
 * Gives the current credentials. `rejected` are credentials that the store has just refused as expired or invalid:
 * where they are still the current ones they are renewed first. Throws the fault `credentials_unavailable`.
 */
export type CredentialsProvider = (request?: {
  readonly rejected: AwsCredentials;
}) => Promise<AwsCredentials>;

/** Loads credentials from their origin, never from a cache. */
export type LoadCredentials = () => Promise<AwsCredentials>;

export interface AwsCredentialsOptions {
  readonly region: string;
  readonly clock: Clock;
  /** Both keys given: they are used as they are, the chain is not asked. */
  readonly accessKeyId?: string | undefined;
  readonly secretAccessKey?: string | undefined;
  readonly sessionToken?: string | undefined;
  /** Profile of the shared configuration files; absent: the chain's own choice. */
  readonly profile?: string | undefined;
  /** A role to assume with the credentials found. */
  readonly roleArn?: string | undefined;
  readonly roleSessionName?: string | undefined;
  /** True where the keys in the environment are none: they are references that are still to be read. */
  readonly ignoresEnvironment?: boolean;
}

/** Credentials for AWS, cached until shortly before they expire. */
export function awsCredentials(options: AwsCredentialsOptions): CredentialsProvider {
  return cachedCredentials(awsLoader(options), options.clock);
}

function staticKeys(options: AwsCredentialsOptions): AwsCredentials | null {
  const { accessKeyId, secretAccessKey, sessionToken } = options;
  if (accessKeyId === undefined && secretAccessKey === undefined) return null;
  if (accessKeyId === undefined || secretAccessKey === undefined) {
    throw new Error('An access key id and a secret access key are only of use together');
  }
  return { accessKeyId, secretAccessKey, sessionToken };
}

function awsLoader(options: AwsCredentialsOptions): LoadCredentials {
  const keys = staticKeys(options);
  if (keys !== null && options.roleArn === undefined) return async () => keys;
  return async () => {
    // Loaded late: with given keys the SDK is not needed at all.
    const providers = await import('@aws-sdk/credential-providers');
    const clientConfig = { region: options.region };
    // A new chain each time, because the SDK's own cache would give back what a store has just refused.
    const chain = providers.fromNodeProviderChain({ clientConfig, ...ownSources(options) });
    if (options.roleArn === undefined) return chain();
    return providers.fromTemporaryCredentials({
      masterCredentials: keys === null ? async () => chain() : awsIdentity(keys),
      clientConfig,
      params: {
        RoleArn: options.roleArn,
        RoleSessionName: options.roleSessionName ?? 'cross-cloud-replicator',
      },
    })();
  };
}

const SILENT = { trace() {}, debug() {}, info() {}, warn() {}, error() {} };

/** Where a profile is named, the chain leaves the keys of the environment out, and says so on stderr. */
function ownSources(options: AwsCredentialsOptions): { profile?: string; logger?: typeof SILENT } {
  const { profile, ignoresEnvironment = false } = options;
  if (ignoresEnvironment) return { profile: profile ?? 'default', logger: SILENT };
  return profile === undefined ? {} : { profile };
}

/** The keys as the SDK wants them, where an absent token must not be there at all. */
export function awsIdentity(keys: AwsCredentials): {
  accessKeyId: string;
  secretAccessKey: string;
  sessionToken?: string;
} {
  const { accessKeyId, secretAccessKey, sessionToken } = keys;
  return sessionToken === undefined
    ? { accessKeyId, secretAccessKey }
    : { accessKeyId, secretAccessKey, sessionToken };
}

/** Renewed this long before they expire: a request signed now has to be accepted when it arrives. */
const RENEW_BEFORE_MS = 5 * 60_000;
/** How soon a failed early renewal is tried again while the old credentials still work. */
const RENEW_AGAIN_MS = 30_000;

/**
 * Puts a cache before `load`. Callers share one renewal. A renewal that fails while the old credentials are still
 * valid changes nothing: they are used to their end.
 */
export function cachedCredentials(load: LoadCredentials, clock: Clock): CredentialsProvider {
  let current: AwsCredentials | null = null;
  let renewAtMs = -Infinity;
  let inFlight: Promise<AwsCredentials> | null = null;

  async function renew(): Promise<AwsCredentials> {
    try {
      const loaded = await load();
      const expiresAtMs = loaded.expiration?.getTime() ?? Infinity;
      current = loaded;
      // Short-lived ones are used for at least half of what is left, not renewed with every request.
      const leftMs = expiresAtMs - clock.nowMs();
      renewAtMs = clock.nowMs() + Math.max(leftMs - RENEW_BEFORE_MS, leftMs / 2);
      return loaded;
    } catch (error) {
      throw unavailable(error);
    } finally {
      inFlight = null;
    }
  }

  return async (request) => {
    const nowMs = clock.nowMs();
    const isRejected = request !== undefined && current !== null && isSame(current, request.rejected);
    if (current !== null && !isRejected && nowMs < renewAtMs) return current;
    inFlight ??= renew();
    const usable = current !== null && !isRejected && nowMs < (current.expiration?.getTime() ?? Infinity);
    if (!usable) return inFlight;
    const old = current;
    try {
      return await inFlight;
    } catch (error) {
      if (old === null) throw error;
      renewAtMs = nowMs + RENEW_AGAIN_MS;
      return old;
    }
  };
}

function isSame(a: AwsCredentials, b: AwsCredentials): boolean {
  return a.accessKeyId === b.accessKeyId && a.sessionToken === b.sessionToken;
}

function unavailable(error: unknown): Fault {
  if (error instanceof Fault) return error;
  const reason = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return new Fault('credentials_unavailable', `No AWS credentials could be obtained: ${reason}`, {
    cause: error,
    details: { store: 'source' },
  });
}
