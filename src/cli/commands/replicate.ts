// replicator replicate s3://bucket/key: asks the service to bring one object to its target, and waits if told to.
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import type { CliDeps, EndWith } from '../cli-deps.ts';
import { CliFailure, EXIT } from '../exit-codes.ts';
import { printJson, printLine } from '../output.ts';
import { parseS3Url } from '../s3-url.ts';
import { type CallService, connectToService, LOOK, readAnswer } from '../service-client.ts';
import {
  describeTransfer,
  exitCodeOfTransfers,
  hasEnded,
  shortState,
  TransferView,
} from '../transfer-view.ts';

const TransfersAnswer = z.object({ transfers: z.array(TransferView) });

/** The longest that the service lets one request wait. */
const MAX_WAIT_SEC = 60;
const POLL_MS = 500;

export async function replicate(
  objectUrl: string,
  options: { readonly wait: string | undefined; readonly json: boolean },
  deps: CliDeps,
  endWith: EndWith,
): Promise<void> {
  const { bucket, key } = parseS3Url(objectUrl);
  const waitSec = options.wait === undefined ? null : readSeconds(options.wait);
  const call = connectToService(deps);
  const askedAt = performance.now();
  const answer = await call({
    method: 'POST',
    path: '/v1/replicate',
    body: { bucket, key },
    scope: 'write',
    waitSec: waitSec === null || waitSec === 0 ? null : Math.min(waitSec, MAX_WAIT_SEC),
  });
  let { transfers } = readAnswer(TransfersAnswer, answer);
  if (waitSec !== null) {
    const untilMs = askedAt + waitSec * 1000;
    while (!transfers.every(hasEnded) && performance.now() < untilMs) {
      for (const transfer of transfers.filter((candidate) => !hasEnded(candidate)))
        printLine(deps.stderr, `waiting: ${transfer.id} ${shortState(transfer)}`);
      await sleep(POLL_MS, undefined, { signal: deps.signal });
      transfers = await Promise.all(transfers.map(async (transfer) => refresh(transfer, call)));
    }
    endWith(exitCodeOfTransfers(transfers));
    if (!transfers.every(hasEnded)) printLine(deps.stderr, 'The time is over; the transfers go on.');
  }
  if (options.json) printJson(deps.stdout, { transfers });
  else for (const transfer of transfers) printLine(deps.stdout, describeTransfer(transfer).join('\n'));
}

async function refresh(transfer: TransferView, call: CallService): Promise<TransferView> {
  if (hasEnded(transfer)) return transfer;
  const path = `/v1/transfers/${encodeURIComponent(transfer.id)}`;
  return readAnswer(TransferView, await call({ ...LOOK, path }));
}

function readSeconds(text: string): number {
  if (/^\d{1,6}$/.test(text)) return Number(text);
  throw new CliFailure(
    EXIT.usage,
    'invalid_wait',
    `--wait ${JSON.stringify(text)} is not a number of seconds.`,
  );
}
