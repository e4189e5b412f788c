// What every AWS service of the sandbox is started with.
import type { Keyring, SandboxKeys } from './keyring.ts';

export interface ServiceOptions extends SandboxKeys {
  /** Whose keys are accepted instead of the ones above alone. */
  readonly keyring?: Keyring;
  /** 0, the default, picks a free port. */
  readonly port?: number;
  /** us-east-1 by default. */
  readonly region?: string;
  /** 123456789012 by default. */
  readonly accountId?: string;
}
