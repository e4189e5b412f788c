// The secret of signed calls as people write it: `whsec_` and 24 to 64 random bytes in base64, as the Standard Webhooks
// scheme has it.

const MIN_BYTES = 24;
const MAX_BYTES = 64;

export const WEBHOOK_SECRET_FIX =
  'each entry is whsec_ followed by 24 to 64 random bytes in base64: echo "whsec_$(openssl rand -base64 32)"';

/** Reads one secret. The problem says what is wrong and never holds a part of the text. */
export function readWebhookSecret(
  text: string,
): { readonly secret: Uint8Array } | { readonly problem: string } {
  const encoded = /^whsec_([A-Za-z0-9+/]+={0,2})$/.exec(text)?.[1];
  if (encoded === undefined) return { problem: 'is not whsec_ and base64' };
  const bytes = Buffer.from(encoded, 'base64');
  if (bytes.length < MIN_BYTES || bytes.length > MAX_BYTES) return { problem: `holds ${bytes.length} bytes` };
  return { secret: Uint8Array.from(bytes) };
}
