// replicator transfers: what is going on, newest first, one page at a time; and redrive: one of them once more.
import { z } from 'zod';
import type { CliDeps } from '../cli-deps.ts';
import { printJson, printLine, printTable, showBytes } from '../output.ts';
import { connectToService, LOOK, readAnswer, withQuery } from '../service-client.ts';
import { describePlaces, shortState, TransferView } from '../transfer-view.ts';

const TransferPage = z.object({ transfers: z.array(TransferView), nextCursor: z.string().nullish() });

export interface TransferQuery {
  readonly status?: string | undefined;
  readonly rule?: string | undefined;
  readonly fault?: string | undefined;
  readonly bucket?: string | undefined;
  readonly prefix?: string | undefined;
  readonly limit?: string | undefined;
  readonly cursor?: string | undefined;
}

export async function listTransfers(query: TransferQuery, isJson: boolean, deps: CliDeps): Promise<void> {
  const path = withQuery('/v1/transfers', query);
  const answer = await connectToService(deps)({ ...LOOK, path });
  const page = readAnswer(TransferPage, answer);
  if (isJson) {
    printJson(deps.stdout, answer.json);
    return;
  }
  printTable(
    deps.stdout,
    ['ID', 'STATE', 'RULE', 'ATTEMPTS', 'SIZE', 'UPDATED', 'SOURCE'],
    page.transfers.map((transfer) => [
      transfer.id,
      shortState(transfer),
      transfer.rule,
      String(transfer.attemptCount),
      transfer.sizeBytes === undefined ? '-' : showBytes(transfer.sizeBytes),
      transfer.updatedAt ?? '-',
      `${transfer.source.bucket}/${transfer.source.key}`,
    ]),
  );
  if (page.transfers.length === 0) printLine(deps.stderr, 'No transfer matches.');
  if (typeof page.nextCursor === 'string')
    printLine(deps.stderr, `There are more: add --cursor ${page.nextCursor}`);
}

export async function redriveTransfer(transferId: string, isJson: boolean, deps: CliDeps): Promise<void> {
  const path = `/v1/transfers/${encodeURIComponent(transferId)}/retry`;
  const call = connectToService(deps);
  const answer = await call({ method: 'POST', path, body: null, scope: 'admin', waitSec: null });
  const transfer = readAnswer(TransferView, answer);
  if (isJson) {
    printJson(deps.stdout, answer.json);
    return;
  }
  // The old fault is history now; whether it is gone shows the next look.
  printLine(deps.stdout, `${transfer.id}  queued again: looks at both sides once more`);
  printLine(deps.stdout, `  ${describePlaces(transfer)}`);
}
