// The XML of S3 answers as plain elements. Text stays text: no numbers, no trimming. Entities are decoded here, once
// and from a closed list, so that a document type declaration can expand nothing.
import { XMLParser } from 'fast-xml-parser';

/** An element's children by name; an element without children is its text, entities not yet decoded. */
export type XmlNode = string | readonly XmlNode[] | { readonly [name: string]: XmlNode };

const parser = new XMLParser({
  ignoreAttributes: true,
  parseTagValue: false,
  trimValues: false,
  processEntities: false,
});

/** The children of the root element `rootName`; null where the text is no such document, or not a whole one. */
export function parseXml(text: string, rootName: string): XmlNode | null {
  // The parser accepts a document that was cut: half a list would look like the end of it.
  if (!text.trimEnd().endsWith(`</${rootName}>`)) return null;
  try {
    const document = parser.parse(text) as XmlNode;
    return child(document, rootName);
  } catch {
    return null;
  }
}

/** The first child of that name; null where there is none. */
function child(node: XmlNode | null, name: string): XmlNode | null {
  return children(node, name)[0] ?? null;
}

/** Every child of that name, in order. */
export function children(node: XmlNode | null, name: string): readonly XmlNode[] {
  if (node === null || typeof node === 'string' || Array.isArray(node)) return [];
  const found = Object.hasOwn(node, name) ? (node as { [name: string]: XmlNode })[name] : undefined;
  if (found === undefined) return [];
  return Array.isArray(found) ? (found as readonly XmlNode[]) : [found];
}

/** The text of the first child of that name, entities decoded; null where there is no such child. */
export function childText(node: XmlNode | null, name: string): string | null {
  const found = child(node, name);
  return typeof found === 'string' ? decodeEntities(found) : null;
}

const NAMED: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

function decodeEntities(text: string): string {
  if (!text.includes('&')) return text;
  return text.replace(/&(?:#x([0-9a-f]{1,6})|#(\d{1,7})|([a-z]+));/gi, (whole, hex, decimal, name) => {
    if (typeof name === 'string') return NAMED[name] ?? whole;
    const code = typeof hex === 'string' ? Number.parseInt(hex, 16) : Number(decimal);
    return code <= 0x10ffff ? String.fromCodePoint(code) : whole;
  });
}
