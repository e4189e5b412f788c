// What one message of a queue carries. Any body is taken: what is no JSON is malformed as a whole, everything else is
// a document as any other way in delivers it.
import type { ParsedChanges } from '../../core/change.ts';
import { parseJson } from '../json-value.ts';
import { parseChangeDocument } from '../s3-notification.ts';

/** The changes of a message's body. Never throws. */
export function readMessage(body: string): ParsedChanges {
  const parsed = parseJson(body);
  if (!('problem' in parsed)) return parseChangeDocument(parsed.value);
  const reason = `the body of the SQS message ${parsed.problem}`;
  return { changes: [], ignored: [], malformed: [{ reason, raw: body }] };
}

/** All that several messages carry, in their order. */
export function joinChanges(parts: readonly ParsedChanges[]): ParsedChanges {
  return {
    changes: parts.flatMap(({ changes }) => changes),
    ignored: parts.flatMap(({ ignored }) => ignored),
    malformed: parts.flatMap(({ malformed }) => malformed),
  };
}
