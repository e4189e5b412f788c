// Texts that are secret by their own shape, wherever they stand. The log and the configuration both ask here, so that
// what one of them knows to hide the other does not show.

/**
 * Private keys (to their end, or to the end of the text where that is cut off), keys of this service and secrets of
 * signed calls, access tokens of Google, access key ids of Amazon, and tokens or key files that are JSON in base64.
 */
const SECRET_SHAPES: readonly { readonly shape: RegExp; readonly hint: string }[] = [
  {
    shape: /-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)/g,
    hint: 'PRIVATE KEY',
  },
  { shape: /(?<![A-Za-z0-9])rpl_[A-Za-z0-9.-]+_[\w-]{20,}/g, hint: 'rpl_' },
  { shape: /(?<![A-Za-z0-9])whsec_[A-Za-z0-9+/]{16,}={0,2}/g, hint: 'whsec_' },
  { shape: /(?<![A-Za-z0-9])ya29\.[\w.-]+/g, hint: 'ya29' },
  { shape: /(?<![A-Za-z0-9])A[KS]IA[A-Z0-9]{12,}/g, hint: 'A[KS]IA' },
  { shape: /(?<![A-Za-z0-9])eyJ[\w+/=-]{16,}(?:\.[\w-]*){0,2}/g, hint: 'eyJ' },
];

/** Patterns of which every secret shape holds one: a text without any of them needs no closer look. */
export const SHAPE_HINTS: readonly string[] = SECRET_SHAPES.map(({ hint }) => hint);

/** The text with everything replaced by `mask` that is secret by its shape. */
export function maskSecretShapes(text: string, mask: string): string {
  let masked = text;
  for (const { shape } of SECRET_SHAPES) masked = masked.replace(shape, mask);
  return masked;
}

/** True where some part of the text is secret by its shape. */
export function holdsSecretShape(text: string): boolean {
  return SECRET_SHAPES.some(({ shape }) => text.search(shape) !== -1);
}
