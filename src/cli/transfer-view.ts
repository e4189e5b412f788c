// A transfer as the service sends it, and as a person sees it.
import { z } from 'zod';
import { type ExitCode, EXIT, exitCodeOfFault } from './exit-codes.ts';
import { safeText, showBytes } from './output.ts';

const Location = z.object({ bucket: z.string(), key: z.string() });

export const FaultView = z.object({
  code: z.string(),
  title: z.string(),
  remedy: z.string(),
  message: z.string().optional(),
});

export const TransferView = z.object({
  id: z.string(),
  rule: z.string(),
  source: Location,
  target: Location,
  status: z.string(),
  outcome: z.string().optional(),
  summary: z.string().optional(),
  fault: FaultView.optional(),
  attemptCount: z.number(),
  sizeBytes: z.number().optional(),
  bytesDone: z.number().optional(),
  updatedAt: z.string().optional(),
  receipt: z
    .object({
      etag: z.string(),
      crc32c: z.string().nullish(),
      generation: z.string(),
      verified: z.string(),
      lagMs: z.number(),
    })
    .optional(),
});

export type TransferView = z.output<typeof TransferView>;

/** True where nothing more happens to the transfer by itself. */
export function hasEnded(transfer: TransferView): boolean {
  return transfer.status === 'done' || transfer.status === 'parked';
}

/** A transfer in a few lines: where to, how it stands, and what to do where it failed. */
export function describeTransfer(transfer: TransferView): string[] {
  const { id, fault, receipt } = transfer;
  const lines = [`${id}  ${shortState(transfer)}`, `  ${describePlaces(transfer)}`];
  if (receipt !== undefined)
    lines.push(
      `  receipt: etag ${safeText(receipt.etag)}, crc32c ${safeText(receipt.crc32c ?? 'unknown')}, generation ${safeText(receipt.generation)}, verified ${safeText(receipt.verified)}, ${receipt.lagMs} ms after the change`,
    );
  if (fault !== undefined && transfer.status !== 'done')
    lines.push(
      `  fault:   ${safeText(fault.code)}: ${safeText(fault.message ?? fault.title)}`,
      `  remedy:  ${safeText(fault.remedy)}`,
    );
  return lines;
}

/** From where to where, by which rule, and how much. */
export function describePlaces({ rule, source, target, sizeBytes }: TransferView): string {
  const size = sizeBytes === undefined ? '' : `, ${showBytes(sizeBytes)}`;
  return `${safeText(source.bucket)}/${safeText(source.key)} -> ${safeText(target.bucket)}/${safeText(target.key)} (rule ${safeText(rule)}${size})`;
}

/** Status and outcome in the service's own words. */
export function shortState({ status, outcome, summary }: TransferView): string {
  const word = summary ?? outcome;
  return safeText(word === undefined ? status : `${status}: ${word}`);
}

/**
 * How a command ends that waited for these transfers: well only where all are done; temporary where time ran out;
 * by the fault where all parked alike; partial where some are done.
 */
export function exitCodeOfTransfers(transfers: readonly TransferView[]): ExitCode {
  const codes = new Set(
    transfers.map((transfer): ExitCode => {
      if (transfer.status === 'done') return EXIT.ok;
      return transfer.status === 'parked' ? exitCodeOfFault(transfer.fault?.code ?? '') : EXIT.temporary;
    }),
  );
  const [only] = codes;
  if (codes.size === 1 && only !== undefined) return only;
  return codes.has(EXIT.ok) ? EXIT.partial : EXIT.failure;
}
