// Addresses in answers: whole ones where the public address is known, else paths.

/** `path` begins with a slash and is encoded already. `publicUrl` null: the path itself. */
export function apiUrl(publicUrl: string | null, path: string): string {
  return publicUrl === null ? path : publicUrl.replace(/\/+$/, '') + path;
}

export function transferUrl(publicUrl: string | null, transferId: string): string {
  return apiUrl(publicUrl, `/v1/transfers/${encodeURIComponent(transferId)}`);
}
