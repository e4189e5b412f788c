// The Lambda function that only forwards: the event as it came in one POST, and success only where the service says
// that it is kept. Everything else comes back to AWS, as a thrown error or as the messages of a batch that failed:
// retries live with AWS alone.
import { forwardBatch, type BatchPart } from './forward-batch.ts';
import { ForwardError } from './forward-failure.ts';
import { type Intake, type InvocationContext, postToIntake, type Taken } from './post-to-intake.ts';
import { answerBatch, type BatchAnswer, type BatchMessage, readSqsBatch } from './sqs-batch.ts';

/** One line of the log: small facts, never a key. */
export type ForwardLogLine = Readonly<Record<string, string | number | null>>;

export interface ForwarderParts extends Intake {
  readonly log: (line: ForwardLogLine) => void;
}

/**
 * Builds the handler. It takes whatever Lambda passes (S3, SNS, SQS, EventBridge) and resolves once the service has
 * answered 202 and accounted for all of it. For an SQS batch it answers with the messages that were not taken, and
 * resolves where at least one was. Rejects with a ForwardError that names status, reason and remedy where nothing was.
 */
export function createForwarder(
  parts: ForwarderParts,
): (event: unknown, context: InvocationContext) => Promise<Taken | BatchAnswer> {
  return async (event, context) => {
    const startedMs = performance.now();
    const tell = (line: ForwardLogLine): void => {
      const { level = null, message = null, ...facts } = line;
      parts.log({
        level,
        message,
        requestId: context.awsRequestId ?? null,
        records: recordsOf(event)?.length ?? 1,
        durationMs: Math.round(performance.now() - startedMs),
        ...facts,
      });
    };
    try {
      if (event === undefined)
        throw new ForwardError('The function was called without an event: pass one.', { status: null });
      const batch = readSqsBatch(event);
      return batch === null
        ? await forwardWhole(parts, event, context, tell)
        : await forwardMessages(parts, { event, batch }, context, tell);
    } catch (error) {
      const failure =
        error instanceof ForwardError ? error : new ForwardError(String(error), { status: null });
      const { status, message: reason } = failure;
      tell({ level: 'error', message: 'event not forwarded', status, reason });
      throw failure;
    }
  };
}

type Tell = (line: ForwardLogLine) => void;

async function forwardWhole(
  parts: ForwarderParts,
  event: unknown,
  context: InvocationContext,
  tell: Tell,
): Promise<Taken> {
  const taken = await postToIntake(parts, { document: event, least: leastChanges(event), part: '' }, context);
  tellTaken(tell, taken);
  return taken;
}

async function forwardMessages(
  parts: ForwarderParts,
  { event, batch }: { readonly event: unknown; readonly batch: readonly BatchMessage[] },
  context: InvocationContext,
  tell: Tell,
): Promise<BatchAnswer> {
  const post = async ({ from, to }: BatchPart): Promise<Taken> => {
    const isWhole = to - from === batch.length;
    const document = isWhole ? event : { Records: batch.slice(from, to).map(({ record }) => record) };
    return postToIntake(parts, { document, least: 1, part: isWhole ? '' : `${from}_${to}` }, context);
  };
  const { taken, failed, requests } = await forwardBatch(batch.length, post);
  const failedIds = failed.flatMap(({ from, to }) => batch.slice(from, to).map(({ messageId }) => messageId));
  const [first] = failed;
  if (first === undefined) tellTaken(tell, taken);
  else if (failedIds.length === batch.length) throw first.reason;
  else
    tell({
      level: 'error',
      message:
        'batch partly forwarded: the failed messages come back, if the event source mapping has ReportBatchItemFailures',
      status: first.reason.status,
      ...taken,
      requests,
      failed: failedIds.length,
      firstFailed: failedIds[0] ?? null,
      reason: first.reason.message,
    });
  return answerBatch(failedIds);
}

function tellTaken(tell: Tell, taken: Taken): void {
  const level = taken.quarantined > 0 ? 'warn' : 'info';
  tell({ level, message: 'event forwarded', status: 202, ...taken });
}

/** The records of an event that is a list of them; null for any other event. */
function recordsOf(event: unknown): readonly unknown[] | null {
  const records: unknown =
    typeof event === 'object' && event !== null && 'Records' in event ? event.Records : null;
  return Array.isArray(records) ? records : null;
}

/**
 * How many changes an answer has to account for at the least. Each record of S3 is one; a delivery of SNS, SQS or
 * EventBridge wraps a document of any number, so all that is certain is that something came. A list without records
 * holds nothing to lose.
 */
function leastChanges(event: unknown): number {
  const records = recordsOf(event);
  if (records === null) return 1;
  if (records.length === 0) return 0;
  return Math.max(1, records.filter(isS3Record).length);
}

function isS3Record(record: unknown): boolean {
  return (
    typeof record === 'object' &&
    record !== null &&
    'eventSource' in record &&
    record.eventSource === 'aws:s3'
  );
}
