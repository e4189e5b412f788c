// A Google service-account key, given as JSON, as base64 of that JSON or as a file. Every usual mistake of pasting
// one is recognised by its shape; no message repeats any part of the content.
import { createPrivateKey } from 'node:crypto';
import { Secret } from './secrets.ts';
import { accept, type Parse, type Parsed, refuse } from './setting-parsers.ts';

export interface ServiceAccountKey {
  readonly clientEmail: string;
  /** PEM text of the private key. */
  readonly privateKey: Secret;
  /** Null where the file does not say. */
  readonly privateKeyId: string | null;
  readonly projectId: string | null;
}

const FRESH_KEY = 'create a new key: Google Cloud console, IAM, Service accounts, Keys, type JSON';

/** The JSON of a key file. */
export const parseServiceAccountJson: Parse<ServiceAccountKey> = (text) => {
  const trimmed = text.trim();
  if (trimmed.startsWith('-----BEGIN'))
    return refuse('is the private key alone', 'give the whole JSON key file, private_key is one field of it');
  if (!trimmed.startsWith('{')) {
    const decoded = decodeBase64(trimmed);
    if (decoded?.trimStart().startsWith('{') === true)
      return refuse('is base64, not JSON', 'set GCP_SA_KEY_B64 to this value instead of GCP_SA_KEY');
    if (looksLikePath(trimmed))
      return refuse('is the path of a file, not JSON', 'set GCP_CREDENTIALS_PATH to the path instead');
    return refuse('is not JSON', 'give the whole content of the JSON key file');
  }
  const value = parseJson(trimmed);
  if (value === null)
    return refuse(
      'begins as JSON but cannot be read to its end',
      'it is cut off or its quotes were changed on the way: put it in single quotes, or use GCP_SA_KEY_B64',
    );
  return readKeyFields(value);
};

/** Base64 of the JSON of a key file, in either alphabet, line breaks allowed. */
export const parseServiceAccountBase64: Parse<ServiceAccountKey> = (text) => {
  const compact = text.replaceAll(/\s+/g, '');
  const encode = 'encode the file again: base64 -w0 key.json (macOS: base64 -i key.json)';
  if (compact.startsWith('{'))
    return refuse('is JSON itself, not base64', 'set GCP_SA_KEY to this value instead of GCP_SA_KEY_B64');
  if (compact.startsWith('-----BEGIN'))
    return refuse('is the private key alone', `give the whole JSON key file: ${encode}`);
  if (looksLikePath(compact))
    return refuse('is the path of a file, not base64', 'set GCP_CREDENTIALS_PATH to the path instead');
  const decoded = decodeBase64(compact);
  if (decoded === null) return refuse('holds characters that are not base64', encode);
  if (decodeBase64(decoded.trim())?.trimStart().startsWith('{') === true)
    return refuse('is base64 encoded twice', 'encode the key file only once');
  if (!decoded.trimStart().startsWith('{')) return refuse('is base64, but not of a JSON key file', encode);
  const value = parseJson(decoded);
  if (value === null) return refuse('is base64 of JSON that is cut off or damaged', encode);
  return readKeyFields(value);
};

function readKeyFields(value: object): Parsed<ServiceAccountKey> {
  const fields = new Map<string, unknown>(Object.entries(value));
  const type = fields.get('type');
  if (type === 'external_account')
    return refuse(
      'is a configuration of workload identity federation, not a key',
      'set GOOGLE_APPLICATION_CREDENTIALS in the real environment to the path of this file instead',
    );
  if (type === 'authorized_user')
    return refuse('is the login of a person, not the key of a service account', FRESH_KEY);
  const clientEmail = textField(fields, 'client_email');
  const privateKey = textField(fields, 'private_key');
  if (clientEmail === null) return refuse('has no client_email', FRESH_KEY);
  if (privateKey === null) return refuse('has no private_key', FRESH_KEY);
  // Some hosts escape the line breaks of the PEM text a second time.
  const pem = privateKey.replaceAll(String.raw`\n`, '\n');
  if (!isPrivateKey(pem))
    return refuse('has a private_key that is not a usable PEM key', `it is cut off or changed: ${FRESH_KEY}`);
  return accept({
    clientEmail,
    privateKey: new Secret(pem),
    privateKeyId: textField(fields, 'private_key_id'),
    projectId: textField(fields, 'project_id'),
  });
}

function textField(fields: ReadonlyMap<string, unknown>, name: string): string | null {
  const value = fields.get(name);
  return typeof value === 'string' && value !== '' ? value : null;
}

function isPrivateKey(pem: string): boolean {
  try {
    createPrivateKey(pem);
    return true;
  } catch {
    return false;
  }
}

/** The error of JSON.parse quotes its input, so it must never travel. */
function parseJson(text: string): object | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' ? value : null;
  } catch {
    return null;
  }
}

/** Null where the text holds anything but base64 of either alphabet. */
function decodeBase64(text: string): string | null {
  if (text === '' || !/^[A-Za-z0-9+/_\s-]+={0,2}\s*$/.test(text)) return null;
  return Buffer.from(text, 'base64').toString('utf8');
}

function looksLikePath(text: string): boolean {
  return (
    text.length < 1024 &&
    (/\.json$/i.test(text) || /^(\.{0,2}\/|~\/|[A-Za-z]:\\)/.test(text)) &&
    !/[{}]/.test(text)
  );
}
