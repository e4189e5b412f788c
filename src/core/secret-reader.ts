// Port: a place that keeps secrets, and the closed list of why one cannot be had there.

export type SecretTroubleKind =
  /** The place refuses these credentials this secret; it may also not exist. */
  | 'denied'
  /** The secret could be read, but not decrypted. */
  | 'key_denied'
  | 'missing'
  /** It is there and cannot be used: disabled, destroyed, marked for deletion. */
  | 'disabled'
  /** The service that keeps it is not switched on in this account or project. */
  | 'service_off'
  | 'no_credentials'
  | 'credentials_refused'
  | 'no_region'
  | 'unreachable'
  /** What was found is bytes, not text. */
  | 'not_text'
  /** What arrived is not what was sent. */
  | 'damaged'
  | 'refused';

export interface SecretTrouble {
  readonly kind: SecretTroubleKind;
  /** The place's own words, without any secret; empty where there are none. */
  readonly detail: string;
  /** True where the same question may be answered a moment later. */
  readonly mayPass: boolean;
}

export type SecretReading =
  | { readonly ok: true; readonly text: string }
  | { readonly ok: false; readonly trouble: SecretTrouble };

export interface SecretReader {
  /**
   * Asks once for the text of a secret; `name` as in SecretReference. Every failure is an answer; only the abort of
   * `signal` rejects.
   */
  read(name: string, signal: AbortSignal): Promise<SecretReading>;
}

/** A reading that failed. */
export function unreadable(
  kind: SecretTroubleKind,
  detail: string,
  mayPass = false,
): { readonly ok: false; readonly trouble: SecretTrouble } {
  return { ok: false, trouble: { kind, detail, mayPass } };
}
