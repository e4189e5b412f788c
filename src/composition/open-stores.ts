// Opens what the configuration says of both stores: credentials, the source, the target. For everything that works
// with them: the service, and the commands that run on their own.
import type { CredentialsProvider } from '../aws/credentials.ts';
import { awsCredentialsOf, googleCredentialsOf } from './cloud-credentials.ts';
import type { Config, Secrets } from '../config/config.ts';
import type { Clock } from '../core/clock.ts';
import { expectedOwnerOf } from '../core/rule.ts';
import { type AccessTokens, googleAccessToken } from '../google/access-token.ts';
import { type GcsTargetOptions, openGcsTarget } from '../stores/gcs/gcs-target.ts';
import { openS3Source, type OpenSource } from '../stores/s3/s3-source.ts';

const TARGET_TIMEOUTS = { connectMs: 10_000, headersMs: 60_000, bodyIdleMs: 30_000 };

/** What the stores are opened with. */
export interface StoresRequest {
  readonly config: Pick<Config, 'rules' | 'source' | 'target' | 'httpClient'>;
  readonly secrets: Pick<Secrets, 'aws' | 'google' | 'proxies'>;
  readonly clock: Clock;
}

/** The credentials for everything at AWS. Nothing is asked before the first call. */
export function openAwsCredentials({ config, secrets }: StoresRequest): CredentialsProvider {
  return awsCredentialsOf(config, secrets);
}

type HttpClient = NonNullable<GcsTargetOptions['httpClient']>;

function httpClientOf({ config, secrets }: StoresRequest): HttpClient {
  const { proxies } = secrets;
  if (proxies === null) return config.httpClient;
  const { forHttp, forHttps, except } = proxies;
  return { forHttp: forHttp?.reveal() ?? '', forHttps: forHttps?.reveal() ?? '', except };
}

/** The source, with at most so many connections. `credentials` are those of `openAwsCredentials`. */
export async function openSource(
  request: StoresRequest,
  credentials: CredentialsProvider,
  connections: number,
): Promise<OpenSource> {
  const { config, clock } = request;
  const { region, endpoint } = config.source;
  return openS3Source({
    region,
    endpoint,
    credentials,
    expectedOwner: (bucket) => expectedOwnerOf(config.rules, bucket),
    clock,
    connections,
    httpClient: httpClientOf(request),
  });
}

/** Tokens for the target; null for an emulator, which takes none. Throws `credentials_invalid` for a malformed key. */
export function openGoogleTokens({ config, secrets, clock }: StoresRequest): AccessTokens | null {
  if (config.target.credentials === 'none') return null;
  return googleAccessToken(googleCredentialsOf(secrets), clock);
}

/**
 * How the target is reached, for the driver and for the looks at its buckets. `tokens`: those of `openGoogleTokens` where
 * they are to outlive what is opened with them.
 */
export function targetOptions(
  request: StoresRequest,
  connections: number,
  tokens = openGoogleTokens(request),
): GcsTargetOptions {
  return {
    endpoint: request.config.target.endpoint,
    accessToken: tokens,
    clock: request.clock,
    timeouts: TARGET_TIMEOUTS,
    connections,
    httpClient: httpClientOf(request),
  };
}

/** The target, with at most so many connections. `tokens` as for `targetOptions`. */
export async function openTarget(
  request: StoresRequest,
  connections: number,
  tokens?: AccessTokens | null,
): Promise<Awaited<ReturnType<typeof openGcsTarget>>> {
  return openGcsTarget(targetOptions(request, connections, tokens));
}

/** No request that writes lives longer than this, whatever the grace. */
const MAX_EFFECT_MS = 60_000;

/** How long a write that was sent may live: it has landed or died well before the look after a grace of `graceMs`. */
export function effectDeadlineOf(graceMs: number): number {
  return Math.min(MAX_EFFECT_MS, Math.floor(graceMs / 2));
}
