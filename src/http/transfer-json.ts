// How a transfer looks in JSON: one schema for the documentation and the serializer, one function that fills it.
import { z } from 'zod';
import { FAULTS, type FaultCode, type FaultRecord } from '../core/faults.ts';
import { encodingHint } from '../core/key-hint.ts';
import type { ObjectLocation } from '../core/object.ts';
import type { Outcome, Receipt, Transfer, TransferStatus } from '../core/transfer.ts';

export const TRANSFER_STATUSES = [
  'queued',
  'copying',
  'settling',
  'done',
  'parked',
] as const satisfies readonly [TransferStatus, ...TransferStatus[]];

/** What an outcome is called in front of people. */
export const OUTCOME_TEXT: Record<Outcome, string> = {
  replicated: 'replicated and verified',
  metadata_updated: 'metadata updated: the bytes were there already',
  already_current: 'skipped: already exists',
  deleted: 'deleted at the target, as at the source',
  source_gone: 'nothing to copy: the source object is gone',
  superseded: 'superseded by a newer change of the same object',
  skipped: 'skipped: excluded by the rule, or its delete was rejected',
};

const STATUS_TEXT: Record<Exclude<TransferStatus, 'done'>, string> = {
  queued: 'waits for a worker',
  copying: 'is being worked on',
  settling: 'finished; looked at once more when no late request can land any longer',
  parked: 'needs a person',
};

const OUTCOMES = Object.keys(OUTCOME_TEXT) as [Outcome, ...Outcome[]];
export const FAULT_CODES = Object.keys(FAULTS) as [FaultCode, ...FaultCode[]];

const time = () => z.string().meta({ format: 'date-time', examples: ['2026-11-23T09:30:00.000Z'] });

export const LocationSchema = z
  .object({ bucket: z.string(), key: z.string() })
  .meta({ id: 'Location', description: 'A bucket and a key, as they are: nothing is encoded.' });

export const FaultSchema = z
  .object({
    code: z.enum(FAULT_CODES),
    title: z.string(),
    remedy: z.string().meta({ description: 'What a person can do about it.' }),
    message: z.string().meta({ description: 'What happened this time, with names.' }),
    details: z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()])),
    at: time(),
  })
  .meta({ id: 'Fault', description: 'Why the last attempt failed.' });

const ReceiptSchema = z
  .object({
    etag: z.string(),
    versionId: z.string().optional(),
    sizeBytes: z.number(),
    sourceChecksum: z
      .string()
      .optional()
      .meta({ description: 'algorithm:base64, where the source keeps one.' }),
    crc32c: z.string().nullable(),
    generation: z.string(),
    verified: z.enum(['size', 'transfer', 'source']),
    finishedAt: time(),
    lagMs: z.number().meta({ description: 'From the change to the verified target.' }),
    droppedMetadata: z.array(z.string()),
  })
  .meta({ id: 'Receipt', description: 'The proof that the target holds the object.' });

export const TransferSchema = z
  .object({
    id: z.string(),
    rule: z.string(),
    source: LocationSchema,
    target: LocationSchema,
    status: z.enum(TRANSFER_STATUSES),
    outcome: z.enum(OUTCOMES).optional(),
    summary: z.string().meta({ description: 'Status and outcome in words.' }),
    fault: FaultSchema.optional(),
    attemptCount: z.number(),
    sizeBytes: z.number().optional(),
    bytesDone: z.number(),
    changeAt: time().meta({ description: 'The oldest change that is not covered yet.' }),
    createdAt: time(),
    updatedAt: time(),
    nextAttemptAt: time().optional(),
    receipt: ReceiptSchema.optional(),
  })
  .meta({
    id: 'Transfer',
    description: 'The work of bringing one target key into agreement with its source.',
  });

export type TransferJson = z.output<typeof TransferSchema>;

/** The whole transfer as the API shows it. What is not known or not reached yet is left out. */
export function transferToJson(transfer: Transfer): TransferJson {
  return {
    id: transfer.id,
    rule: transfer.ruleName,
    source: locationToJson(transfer.source),
    target: locationToJson(transfer.target),
    status: transfer.status,
    ...(transfer.outcome === null ? {} : { outcome: transfer.outcome }),
    summary: summaryOf(transfer),
    ...(transfer.fault === null ? {} : { fault: faultToJson(transfer.fault) }),
    attemptCount: transfer.attemptCount,
    ...(transfer.sizeBytes === null ? {} : { sizeBytes: transfer.sizeBytes }),
    bytesDone: transfer.bytesDone,
    changeAt: isoTime(transfer.changeAtMs),
    createdAt: isoTime(transfer.createdAtMs),
    updatedAt: isoTime(transfer.updatedAtMs),
    ...(transfer.nextAttemptAtMs === null ? {} : { nextAttemptAt: isoTime(transfer.nextAttemptAtMs) }),
    ...(transfer.receipt === null ? {} : { receipt: receiptToJson(transfer.receipt) }),
  };
}

/** A fault with the title and the remedy of the table. */
export function faultToJson(fault: FaultRecord): z.output<typeof FaultSchema> {
  const { title, remedy } = FAULTS[fault.code];
  const { code, message, details, atMs } = fault;
  return { code, title, remedy, message, details: { ...details }, at: isoTime(atMs) };
}

export function locationToJson({ bucket, key }: ObjectLocation): z.output<typeof LocationSchema> {
  return { bucket, key };
}

/** Unix milliseconds as ISO 8601 in UTC. */
export function isoTime(ms: number): string {
  return new Date(ms).toISOString();
}

function receiptToJson(receipt: Receipt): z.output<typeof ReceiptSchema> {
  return {
    etag: receipt.etag,
    ...(receipt.versionId === null ? {} : { versionId: receipt.versionId }),
    sizeBytes: receipt.sizeBytes,
    ...(receipt.sourceChecksum === null ? {} : { sourceChecksum: receipt.sourceChecksum }),
    crc32c: receipt.crc32c,
    generation: receipt.generation,
    verified: receipt.verified,
    finishedAt: isoTime(receipt.finishedAtMs),
    lagMs: receipt.lagMs,
    droppedMetadata: [...receipt.droppedMetadata],
  };
}

function summaryOf({ status, outcome, fault, source }: Transfer): string {
  if (status === 'done') {
    const hint = outcome === 'source_gone' ? encodingHint(source.key) : null;
    const text = outcome === null ? 'done' : OUTCOME_TEXT[outcome];
    return hint === null ? text : `${text}. ${hint}`;
  }
  if (fault === null) return STATUS_TEXT[status];
  return `${STATUS_TEXT[status]}: ${FAULTS[fault.code].title}`;
}
