// An STS of its own on loopback: who the caller is, and temporary keys for a role. The keys it gives out open every
// service that shares its keyring.
import { randomBytes } from 'node:crypto';
import type { Keyring } from '../aws/keyring.ts';
import { type QueryAction, QueryError, type Parameters, routeQueries } from '../aws/query-protocol.ts';
import { type SandboxServer, startSandboxServer, withMore } from '../http-server.ts';
import { group, text } from '../s3/xml.ts';

export interface SandboxStsOptions {
  /** Shared with the services that the temporary keys are to open. */
  readonly keyring: Keyring;
  /** 0, the default, picks a free port. */
  readonly port?: number;
  /** us-east-1 by default. */
  readonly region?: string;
}

export interface SandboxSts extends SandboxServer {
  /** Makes a role that can be assumed, and returns its ARN. `externalId` must then be told. */
  createRole(name: string, options?: { readonly externalId?: string }): string;
  /** Refuses an action with AccessDenied until it is allowed again. */
  deny(action: 'GetCallerIdentity' | 'AssumeRole'): void;
  allow(action: 'GetCallerIdentity' | 'AssumeRole'): void;
}

type Roles = Map<string, { readonly name: string; readonly externalId: string | null }>;

/** Starts the service. */
export async function startSandboxSts(options: SandboxStsOptions): Promise<SandboxSts> {
  const { keyring } = options;
  const roles: Roles = new Map();
  const denied = new Set<string>();
  const handler = routeQueries({
    name: 'sts',
    namespace: 'https://sts.amazonaws.com/doc/2011-06-15/',
    region: options.region ?? 'us-east-1',
    keyring,
    actions: stsActions(keyring, roles),
    open: new Set(),
    denied,
  });
  const server = await startSandboxServer(handler, options.port);
  return withMore<SandboxSts>(server, {
    createRole: (name, { externalId } = {}) => {
      const arn = `arn:aws:iam::${keyring.accountId}:role/${name}`;
      roles.set(arn, { name, externalId: externalId ?? null });
      return arn;
    },
    deny: (action) => void denied.add(action),
    allow: (action) => void denied.delete(action),
  });
}

function stsActions(keyring: Keyring, roles: Roles): Record<string, QueryAction> {
  return {
    GetCallerIdentity: ({ keys }) =>
      [
        text('Arn', keys?.arn ?? ''),
        text('UserId', keys?.accessKeyId ?? ''),
        text('Account', keyring.accountId),
      ].join(''),
    AssumeRole: ({ parameters, keys }) => {
      const arn = parameters.required('RoleArn');
      const role = roles.get(arn);
      const externalId = parameters.optional('ExternalId');
      if (role === undefined || (role.externalId !== null && role.externalId !== externalId))
        throw new QueryError(
          403,
          'AccessDenied',
          `User: ${keys?.arn ?? ''} is not authorized to perform: sts:AssumeRole on resource: ${arn}`,
        );
      return assume(keyring, role.name, parameters);
    },
  };
}

function assume(keyring: Keyring, roleName: string, parameters: Parameters): string {
  const session = parameters.required('RoleSessionName');
  if (!/^[\w+=,.@-]{2,64}$/.test(session))
    throw new QueryError(400, 'ValidationError', `The session name ${session} is not valid.`);
  const durationSec = Number(parameters.optional('DurationSeconds') ?? 3600);
  if (!Number.isInteger(durationSec) || durationSec < 900 || durationSec > 43_200)
    throw new QueryError(400, 'ValidationError', 'DurationSeconds must be between 900 and 43200.');
  const roleId = `AROA${randomBytes(8).toString('hex').toUpperCase()}`;
  const issued = {
    accessKeyId: `ASIA${randomBytes(8).toString('hex').toUpperCase()}`,
    secretAccessKey: randomBytes(30).toString('base64'),
    sessionToken: randomBytes(60).toString('base64'),
    arn: `arn:aws:sts::${keyring.accountId}:assumed-role/${roleName}/${session}`,
    expiresAtMs: Date.now() + durationSec * 1000,
  };
  keyring.add(issued);
  return [
    group('AssumedRoleUser', text('AssumedRoleId', `${roleId}:${session}`), text('Arn', issued.arn)),
    group(
      'Credentials',
      text('AccessKeyId', issued.accessKeyId),
      text('SecretAccessKey', issued.secretAccessKey),
      text('SessionToken', issued.sessionToken),
      text('Expiration', new Date(issued.expiresAtMs).toISOString()),
    ),
  ].join('');
}
