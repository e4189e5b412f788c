// Texts of states that can be compared: values without what nothing decides by, and names that only have to differ
// (generations, sessions, ids, lease tokens) by their rank, so that two runs in the same state have the same text.
import { hash } from 'node:crypto';
import type { Lease } from '../../src/core/transfer-queue.ts';

/** For display and records, or told in another way: no decision of the service reads them. */
const UNREAD = /AtMs$|^(lagMs|durationMs|body|lastBytes|deadlineMs|placement|expiresAtMonotonicMs)$/;
const metadataIds = new Map<string, number>();

/** A value as text, with its names marked for `canonical`. */
export function fingerprint(value: unknown): string {
  const text: string | undefined = JSON.stringify(value, (name, part: unknown) => {
    if (UNREAD.test(name) || typeof part === 'function') return undefined;
    if (part instanceof Error) return `${part.name} ${'code' in part ? String(part.code) : part.message}`;
    if (name === 'metadata' || name === 'custom') return idOf(part);
    if (isLease(part)) return leaseMark(part.transferId, part.token);
    return typeof part === 'string' ? marked(name, part) : part;
  });
  return text ?? 'nothing';
}

/** A lease, as it stands in a fingerprint. Tokens count among those of their transfer. */
export function leaseMark(transferId: string, token: number): string {
  return `${marked('id', transferId)} <l${transferId}:${token}>`;
}

/** The text with marked names by their rank, as a short digest. */
export function canonical(text: string): string {
  const found = new Map<string, Set<number>>();
  for (const [, scope = '', digits] of text.matchAll(/<(\w+):(\d+)>/g)) {
    const numbers = found.get(scope) ?? new Set();
    found.set(scope, numbers.add(Number(digits)));
  }
  const ranks = new Map<string, number>();
  for (const [scope, numbers] of found) {
    for (const [rank, number] of [...numbers].toSorted((a, b) => a - b).entries()) {
      ranks.set(`${scope}:${number}`, rank);
    }
  }
  const plain = text.replaceAll(/<((\w)\w*:\d+)>/g, (_, name: string, kind: string) => {
    return `${kind}${ranks.get(name)}`;
  });
  return hash('sha1', plain, 'base64');
}

function isLease(part: unknown): part is Lease {
  return typeof part === 'object' && part !== null && 'transferId' in part && 'token' in part;
}

/** Marks what is a name: of a transfer of one service, of an upload session, of a generation of the target. */
function marked(name: string, text: string): string {
  if (name === 'transferId' || name === 'id') return text.replace(/^([a-z])(\d+)$/, '<t$1:$2>');
  if (name === 'uri') return text.replace(/^\D*(\d+)$/, '<u:$1>');
  if (name === 'generation') return `<g:${text}>`;
  // A token of the target in memory: generation and metageneration.
  return text.replace(/^(\d+)\/(\d+)$/, '<g:$1>/$2');
}

/** Metadata is long and there is little of it: it goes by a number. */
function idOf(metadata: unknown): number {
  const text = JSON.stringify(metadata);
  const known = metadataIds.get(text);
  if (known !== undefined) return known;
  metadataIds.set(text, metadataIds.size);
  return metadataIds.size - 1;
}
