// replicator quarantine: the records that the service could not understand, newest first, or one of them whole.
import { z } from 'zod';
import type { CliDeps } from '../cli-deps.ts';
import { printJson, printLine, printTable, safeText } from '../output.ts';
import { connectToService, LOOK, readAnswer, withQuery } from '../service-client.ts';

const RecordView = z.object({
  id: z.string(),
  reason: z.string(),
  raw: z.string(),
  receivedAt: z.string(),
});

const QuarantinePage = z.object({ records: z.array(RecordView), nextCursor: z.string().nullish() });

/** As much of a record as leaves the table readable. */
const SHOWN_CHARS = 80;

export async function listQuarantine(
  query: { readonly limit?: string | undefined; readonly cursor?: string | undefined },
  isJson: boolean,
  deps: CliDeps,
): Promise<void> {
  const answer = await connectToService(deps)({ ...LOOK, path: withQuery('/v1/quarantine', query) });
  const page = readAnswer(QuarantinePage, answer);
  if (isJson) {
    printJson(deps.stdout, answer.json);
    return;
  }
  printTable(
    deps.stdout,
    ['ID', 'RECEIVED', 'REASON', 'RECORD'],
    page.records.map(({ id, receivedAt, reason, raw }) => [
      id,
      receivedAt,
      reason,
      raw.length > SHOWN_CHARS ? `${raw.slice(0, SHOWN_CHARS)}...` : raw,
    ]),
  );
  if (page.records.length === 0) printLine(deps.stderr, 'No record is in quarantine.');
  if (typeof page.nextCursor === 'string')
    printLine(deps.stderr, `There are more: add --cursor ${page.nextCursor}`);
}

export async function showQuarantined(recordId: string, isJson: boolean, deps: CliDeps): Promise<void> {
  const path = `/v1/quarantine/${encodeURIComponent(recordId)}`;
  const answer = await connectToService(deps)({ ...LOOK, path });
  const { id, receivedAt, reason, raw } = readAnswer(RecordView, answer);
  if (isJson) {
    printJson(deps.stdout, answer.json);
    return;
  }
  printLine(deps.stdout, `${safeText(id)}  received ${safeText(receivedAt)}`);
  printLine(deps.stdout, `  reason:  ${safeText(reason)}`);
  printLine(deps.stdout, `  record:  ${safeText(raw)}`);
}
