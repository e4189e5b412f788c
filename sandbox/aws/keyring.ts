// Whose keys open the sandbox: the account's own, and the temporary ones that an assumed role gave out.

export interface SandboxKeys {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** Required on every request where it is set; a token on a request is refused where it is not. */
  readonly sessionToken?: string | undefined;
}

export interface KnownKeys extends SandboxKeys {
  /** Who is meant, as GetCallerIdentity says it. */
  readonly arn: string;
  /** Null for keys that last. */
  readonly expiresAtMs: number | null;
}

export class Keyring {
  readonly accountId: string;
  readonly #keys = new Map<string, KnownKeys>();

  /** The account's own keys are the first on the ring. */
  constructor(accountId: string, own: SandboxKeys) {
    this.accountId = accountId;
    const { accessKeyId, secretAccessKey, sessionToken } = own;
    this.add({
      accessKeyId,
      secretAccessKey,
      sessionToken,
      arn: `arn:aws:iam::${accountId}:user/sandbox`,
      expiresAtMs: null,
    });
  }

  add(keys: KnownKeys): void {
    this.#keys.set(keys.accessKeyId, keys);
  }

  /** Null for an access key that nobody has. */
  find(accessKeyId: string): KnownKeys | null {
    return this.#keys.get(accessKeyId) ?? null;
  }
}
