// Between request headers and stored attributes: system headers, user metadata with its mail encoding,
// storage class, encryption, tags.
import type { Encryption, ObjectAttributes, StoredObject } from './buckets.ts';
import { S3Error } from './errors.ts';
import { parseQuery } from './uri.ts';

const systemHeaderNames = [
  'content-type',
  'cache-control',
  'content-disposition',
  'content-encoding',
  'content-language',
  'expires',
  'x-amz-website-redirect-location',
] as const;
const longestMetadataBytes = 2048;
const metadataPrefix = 'x-amz-meta-';
const customerKeyHeader = 'x-amz-server-side-encryption-customer-key-md5';

type Headers = Readonly<Record<string, string>>;

/** Reads what a PUT, a copy or the start of a multipart upload says about the object. Throws MetadataTooLarge. */
export function readAttributes(headers: Headers): ObjectAttributes {
  const systemHeaders: Record<string, string> = { 'content-type': 'binary/octet-stream' };
  for (const name of systemHeaderNames) {
    const value = name === 'content-encoding' ? storedEncoding(headers[name]) : headers[name];
    if (value !== undefined && value !== '') systemHeaders[name] = decodeEncodedWords(value);
  }
  const metadata: Record<string, string> = {};
  let metadataBytes = 0;
  for (const [name, value] of Object.entries(headers)) {
    if (!name.startsWith(metadataPrefix)) continue;
    const decoded = decodeEncodedWords(value);
    metadata[name.slice(metadataPrefix.length)] = decoded;
    metadataBytes += Buffer.byteLength(name.slice(metadataPrefix.length)) + Buffer.byteLength(decoded);
  }
  if (metadataBytes > longestMetadataBytes)
    throw new S3Error('MetadataTooLarge', {
      elements: { Size: metadataBytes, MaxSizeAllowed: longestMetadataBytes },
    });
  return {
    systemHeaders,
    metadata,
    storageClass: headers['x-amz-storage-class'] ?? 'STANDARD',
    encryption: readEncryption(headers),
    tags: Object.fromEntries(parseQuery(headers['x-amz-tagging'] ?? '')),
  };
}

/** The headers by which GET and HEAD describe an object, apart from its size, range and checksum. */
export function attributeHeaders(object: StoredObject): Record<string, string> {
  const headers: Record<string, string> = {
    'last-modified': new Date(object.lastModifiedMs).toUTCString(),
    etag: `"${object.etag}"`,
    'accept-ranges': 'bytes',
    ...encryptionHeaders(object.encryption),
  };
  for (const [name, value] of Object.entries(object.systemHeaders)) headers[name] = encodeHeaderText(value);
  for (const [name, value] of Object.entries(object.metadata))
    headers[metadataPrefix + name] = encodeHeaderText(value);
  if (object.missingMetadataCount > 0) headers['x-amz-missing-meta'] = String(object.missingMetadataCount);
  if (object.storageClass !== 'STANDARD') headers['x-amz-storage-class'] = object.storageClass;
  const tagCount = Object.keys(object.tags).length;
  if (tagCount > 0) headers['x-amz-tagging-count'] = String(tagCount);
  const { archive } = object;
  if (archive !== null && archive.restoredUntilMs !== null)
    headers['x-amz-restore'] =
      `ongoing-request="false", expiry-date="${new Date(archive.restoredUntilMs).toUTCString()}"`;
  else if (archive?.restoring === true) headers['x-amz-restore'] = 'ongoing-request="true"';
  return headers;
}

/** The headers by which any answer names an object's encryption. */
export function encryptionHeaders(encryption: Encryption): Record<string, string> {
  switch (encryption.kind) {
    case 'AES256':
      return { 'x-amz-server-side-encryption': 'AES256' };
    case 'aws:kms':
      return {
        'x-amz-server-side-encryption': 'aws:kms',
        'x-amz-server-side-encryption-aws-kms-key-id': encryption.keyId,
      };
    case 'customer':
      return {
        'x-amz-server-side-encryption-customer-algorithm': 'AES256',
        [customerKeyHeader]: encryption.keyMd5,
      };
  }
}

/** Refuses a read whose encryption headers do not fit the object. */
export function checkReadEncryption(headers: Headers, encryption: Encryption): void {
  const offered = headers[customerKeyHeader];
  if (encryption.kind === 'customer') {
    if (offered === undefined)
      throw new S3Error('InvalidRequest', {
        message:
          'The object was stored using a form of Server Side Encryption. The correct parameters must be provided to retrieve the object.',
      });
    if (offered !== encryption.keyMd5) throw new S3Error('AccessDenied');
    return;
  }
  if (offered !== undefined)
    throw new S3Error('InvalidRequest', {
      message: 'The encryption parameters are not applicable to this object.',
    });
  if (headers['x-amz-server-side-encryption'] !== undefined)
    throw new S3Error('InvalidArgument', {
      message: 'x-amz-server-side-encryption header is not supported for this operation.',
    });
}

function readEncryption(headers: Headers): Encryption {
  const keyMd5 = headers[customerKeyHeader];
  if (keyMd5 !== undefined) return { kind: 'customer', keyMd5 };
  const kind = headers['x-amz-server-side-encryption'] ?? 'AES256';
  if (kind === 'AES256') return { kind };
  if (kind !== 'aws:kms') throw new S3Error('NotImplemented');
  return { kind, keyId: headers['x-amz-server-side-encryption-aws-kms-key-id'] ?? 'alias/aws/s3' };
}

/** `aws-chunked` names the transfer, not the object. */
function storedEncoding(value: string | undefined): string | undefined {
  const kept = value
    ?.split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '' && part.toLowerCase() !== 'aws-chunked');
  return kept === undefined ? undefined : kept.join(',');
}

/** Decodes RFC 2047 encoded words; anything else stays as it is. */
export function decodeEncodedWords(value: string): string {
  const joined = value.replaceAll(/(=\?[^?\s]+\?[BbQq]\?[^?\s]*\?=)\s+(?==\?[^?\s]+\?[BbQq]\?)/g, '$1');
  return joined.replaceAll(
    /=\?(utf-8|us-ascii|iso-8859-1)\?([bq])\?([^?\s]*)\?=/gi,
    (_whole, charset: string, form: string, encoded: string) => {
      const bytes =
        form.toLowerCase() === 'b'
          ? Buffer.from(encoded, 'base64')
          : Buffer.from(
              encoded
                .replaceAll('_', ' ')
                .replaceAll(/=([0-9a-f]{2})/gi, (_match, hex: string) =>
                  String.fromCharCode(Number.parseInt(hex, 16)),
                ),
              'latin1',
            );
      return bytes.toString(charset.toLowerCase() === 'utf-8' ? 'utf8' : 'latin1');
    },
  );
}

const longestWordBytes = 45;

/**
 * Makes any text fit a header: printable ASCII as it is, everything else as RFC 2047 words, in base64 where
 * most characters need it and quoted where few do.
 */
export function encodeHeaderText(value: string): string {
  if (/^[\t\u0020-\u007e]*$/.test(value)) return value;
  const characters = Array.from(value);
  const foreign = characters.filter((character) => !/[\u0020-\u007e]/.test(character)).length;
  const quoted = foreign < characters.length - foreign;
  const words: string[] = [];
  let word = '';
  for (const character of characters) {
    if (Buffer.byteLength(word + character) > (quoted ? longestWordBytes / 3 : longestWordBytes)) {
      words.push(word);
      word = '';
    }
    word += character;
  }
  words.push(word);
  return words.map((text) => (quoted ? quotedWord(text) : base64Word(text))).join(' ');
}

function base64Word(value: string): string {
  return `=?UTF-8?B?${Buffer.from(value, 'utf8').toString('base64')}?=`;
}

function quotedWord(value: string): string {
  const encoded = Array.from(Buffer.from(value, 'utf8'), (byte) => {
    const character = String.fromCharCode(byte);
    if (character === ' ') return '_';
    return /[!-<>@-^`-~]/.test(character)
      ? character
      : `=${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  });
  return `=?UTF-8?Q?${encoded.join('')}?=`;
}
