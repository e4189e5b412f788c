// Who may do what: one caller whose permissions a test takes away one by one.
import { GcsError } from './errors.ts';

const CALLER = 'replicator@sandbox.iam.gserviceaccount.com';

/** The permissions of the sandbox's only caller. Everything is allowed at the start. */
export class AccessRules {
  readonly #denied = new Set<string>();

  /** Takes a permission such as `storage.objects.create` away, or all of them. */
  deny(permission: string): void {
    this.#denied.add(permission);
  }

  /** Gives a denied permission back; `all` gives everything back. */
  allow(permission: string): void {
    if (permission === 'all') this.#denied.clear();
    else this.#denied.delete(permission);
  }

  isAllowed(permission: string): boolean {
    return !this.#denied.has(permission) && !this.#denied.has('all');
  }

  /** 403 in the service's words when the permission is missing. */
  require(permission: string): void {
    if (this.isAllowed(permission)) return;
    const kind =
      permission.startsWith('storage.objects.') && permission !== 'storage.objects.list'
        ? 'object'
        : 'bucket';
    throw new GcsError(
      403,
      'forbidden',
      `${CALLER} does not have ${permission} access to the Google Cloud Storage ${kind}. ` +
        `Permission '${permission}' denied on resource (or it may not exist).`,
    );
  }
}

/** 401 when a token is expected and the request does not carry it. `expected` null: none is needed. */
export function checkBearerToken(authorization: string | undefined, expected: string | null): void {
  if (expected === null || authorization === `Bearer ${expected}`) return;
  if (authorization === undefined)
    throw new GcsError(401, 'required', 'Anonymous caller does not have access to the requested resource.');
  throw new GcsError(401, 'authError', 'Invalid Credentials', {
    locationType: 'header',
    location: 'Authorization',
  });
}
