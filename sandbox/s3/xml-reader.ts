// Reads the few request documents of S3 and takes every text exactly as sent: no trimming, no numbers, entities
// decoded once.
import { XMLParser } from 'fast-xml-parser';
import { S3Error } from './errors.ts';

const parser = new XMLParser({
  ignoreAttributes: true,
  parseTagValue: false,
  trimValues: false,
  processEntities: false,
  removeNSPrefix: true,
});

export type XmlNode = Readonly<Record<string, unknown>>;

/**
 * Reads a request document whose root element must be `rootName`.
 * Throws MalformedXML when it is anything else.
 */
export function parseDocument(bytes: Uint8Array, rootName: string): XmlNode {
  let parsed: unknown;
  try {
    parsed = parser.parse(Buffer.from(bytes).toString('utf8'), true);
  } catch (error) {
    throw new S3Error('MalformedXML', { message: `The XML could not be read: ${String(error)}` });
  }
  const found = isNode(parsed) ? parsed[rootName] : undefined;
  if (found === '') return {};
  if (!isNode(found)) throw new S3Error('MalformedXML');
  return found;
}

/** The text of the one child element of this name; null when there is none. */
export function childText(node: XmlNode, name: string): string | null {
  const value = node[name];
  if (value === undefined) return null;
  if (typeof value !== 'string') throw new S3Error('MalformedXML');
  return decodeEntities(value);
}

/** The texts of all child elements of this name, in document order. */
export function childTexts(node: XmlNode, name: string): string[] {
  const value = node[name];
  const list: unknown[] = Array.isArray(value) ? value : value === undefined ? [] : [value];
  return list.map((entry) => {
    if (typeof entry !== 'string') throw new S3Error('MalformedXML');
    return decodeEntities(entry);
  });
}

/** Whether there is a child element of this name, empty or not. */
export function hasChild(node: XmlNode, name: string): boolean {
  return node[name] !== undefined;
}

/** All child elements of this name that hold elements themselves, in document order. */
export function childNodes(node: XmlNode, name: string): XmlNode[] {
  const value = node[name];
  if (value === undefined) return [];
  const list: unknown[] = Array.isArray(value) ? value : [value];
  return list.map((entry) => {
    if (!isNode(entry)) throw new S3Error('MalformedXML');
    return entry;
  });
}

function isNode(value: unknown): value is XmlNode {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

const namedEntities: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

function decodeEntities(value: string): string {
  return value.replaceAll(/&(#x[0-9a-f]+|#[0-9]+|[a-z]+);/gi, (whole, name: string) => {
    if (!name.startsWith('#')) return namedEntities[name] ?? whole;
    const code =
      name[1] === 'x' || name[1] === 'X' ? Number.parseInt(name.slice(2), 16) : Number(name.slice(1));
    if (code > 0x10_ff_ff) throw new S3Error('MalformedXML');
    return String.fromCodePoint(code);
  });
}
