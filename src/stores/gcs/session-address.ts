// Where requests of an upload session may go. Its address comes from an answer or from storage and grants writing,
// so it is only used on the endpoint's own host or, where the endpoint is Google's, on a host of Google's.

export interface SessionAddress {
  /** `http(s)://host:port` in lower case. */
  readonly origin: string;
  /** Path and query, exactly as told. */
  readonly path: string;
}

/**
 * The address in a session's URI; null where it is none, or is on a host that is not the target's.
 * `endpointOrigin` is `http(s)://host:port`.
 */
export function sessionAddress(uri: string, endpointOrigin: string): SessionAddress | null {
  const parts = /^(https?):\/\/([a-z0-9.:[\]-]+)(\/[\x21\x22\x24-\x7e]*)$/i.exec(uri);
  if (parts === null) return null;
  const [, scheme = '', host = '', path = ''] = parts;
  const origin = `${scheme}://${host}`.toLowerCase();
  return origin === endpointOrigin || (isGoogles(endpointOrigin) && isGoogles(origin))
    ? { origin, path }
    : null;
}

function isGoogles(origin: string): boolean {
  return /^https:\/\/[a-z0-9.-]+\.googleapis\.com$/.test(origin);
}
