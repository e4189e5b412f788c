// POST /v1/replicate: "this object changed, look at it". The caller names a source object only; where it goes is
// decided by the rules.
import { z } from 'zod';
import type { FastifyReply } from 'fastify';
import { type Rule, ruleMatches } from '../../core/rule.ts';
import type { Transfer } from '../../core/transfer.ts';
import type { HttpApp, RouteDeps } from '../http-deps.ts';
import { acceptDurably } from '../accept-durably.ts';
import { apiUrl, transferUrl } from '../api-url.ts';
import { BucketSchema, KeySchema } from '../object-name.ts';
import { RequestProblem } from '../problem.ts';
import { OUTCOME_TEXT, type TransferJson, TransferSchema, transferToJson } from '../transfer-json.ts';
import { preferredWaitSec, waitForEnd } from '../wait-for-end.ts';

const ReplicateBody = z
  .strictObject(
    {
      bucket: BucketSchema,
      key: KeySchema,
      versionId: z
        .string('must be a string')
        .min(1, 'must not be empty')
        .max(1024, 'must be at most 1024 characters long')
        .nullish()
        .meta({
          description:
            'The version that the caller means. It chooses no bytes: the key always converges to what is current. Where that is another version, the answer says superseded.',
        }),
    },
    { error: (issue) => (issue.code === 'invalid_type' ? 'must be a JSON object' : undefined) },
  )
  .meta({ id: 'ReplicateRequest', examples: [{ bucket: 'photos', key: '2026/11/a b.jpg' }] });

const ReplicateAnswer = z.object({ transfers: z.array(TransferSchema) }).meta({ id: 'ReplicateAnswer' });

export function registerReplicateRoute(app: HttpApp, deps: RouteDeps): void {
  app.route({
    method: 'POST',
    url: '/v1/replicate',
    config: { scope: 'write', isIntake: true },
    schema: {
      operationId: 'replicate',
      tags: ['intake'],
      summary: 'Replicate one object',
      description:
        'Stores one transfer for each rule that covers the object and answers 202. With "Prefer: wait=30" (at most 60) the answer waits for the end of the transfers and is 200; a parked transfer counts as an end.',
      headers: z.object({
        prefer: z
          .string()
          .optional()
          .meta({ description: 'wait=SECONDS', examples: ['wait=30'] }),
      }),
      body: ReplicateBody,
      response: {
        200: ReplicateAnswer.describe('Every transfer has ended.'),
        202: ReplicateAnswer.describe('Stored durably; the work goes on.'),
      },
    },
    handler: async (request, reply) => {
      const { bucket, key, versionId } = request.body;
      requireRule(deps.rules, bucket, key);
      const answer = await acceptDurably(deps, request, {
        changes: [
          {
            bucket,
            key,
            kind: 'requested',
            transport: 'api',
            occurredAtMs: null,
            sizeBytes: null,
            versionId: versionId ?? null,
            sequencer: null,
          },
        ],
        ignored: [],
        malformed: [],
      });
      const transferIds = [...new Set(answer.transfers.map((transfer) => transfer.transferId))];

      const waitSec = preferredWaitSec(request.headers.prefer);
      let haveEnded = false;
      if (waitSec !== null) {
        const signal = AbortSignal.any([deps.closing, goneSignal(reply)]);
        const { queue, clock } = deps;
        haveEnded = await waitForEnd({ queue, clock, transferIds, waitMs: waitSec * 1000 }, signal);
        void reply.header('preference-applied', `wait=${waitSec}`);
      }
      const transfers: TransferJson[] = [];
      for (const id of transferIds) {
        const transfer = await deps.queue.get(id);
        if (transfer !== null) transfers.push(answerFor(transfer, versionId ?? null));
      }
      return reply
        .code(haveEnded ? 200 : 202)
        .header('location', locationOf(deps.publicUrl, transferIds, bucket, key))
        .send({ transfers });
    },
  });
}

function requireRule(rules: readonly Rule[], bucket: string, key: string): void {
  if (rules.some((rule) => ruleMatches(rule, { bucket, key }))) return;
  const isBucketKnown = rules.some((rule) => rule.source.bucket === bucket || rule.source.bucket === '*');
  throw new RequestProblem(
    'no_rule',
    isBucketKnown
      ? `bucket, key: the key is outside of every rule of the bucket "${bucket}".`
      : `bucket: "${bucket}" belongs to no rule.`,
  );
}

/** The transfer as this request sees it: another version than the one it named supersedes what it asked for. */
function answerFor(transfer: Transfer, versionId: string | null): TransferJson {
  const json = transferToJson(transfer);
  if (versionId === null || transfer.status !== 'done' || !isOtherVersion(transfer, versionId)) return json;
  return { ...json, outcome: 'superseded', summary: OUTCOME_TEXT.superseded };
}

function isOtherVersion({ outcome, receipt }: Transfer, versionId: string): boolean {
  // There is no newer version that could stand for an object that is gone.
  if (outcome === 'source_gone' || outcome === 'deleted') return false;
  // The version id "null" is what S3 calls an object that has none.
  return receipt !== null && (receipt.versionId ?? 'null') !== versionId;
}

function locationOf(
  publicUrl: string | null,
  transferIds: readonly string[],
  bucket: string,
  key: string,
): string {
  const [id] = transferIds;
  if (transferIds.length === 1 && id !== undefined) return transferUrl(publicUrl, id);
  return apiUrl(
    publicUrl,
    `/v1/transfers?bucket=${encodeURIComponent(bucket)}&key=${encodeURIComponent(key)}`,
  );
}

/** Aborted when the caller's connection ends before the answer is out. */
function goneSignal(reply: FastifyReply): AbortSignal {
  const controller = new AbortController();
  reply.raw.once('close', () => controller.abort());
  return controller.signal;
}
