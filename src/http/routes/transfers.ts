// GET /v1/transfers, GET /v1/transfers/{id}, POST /v1/transfers/{id}/retry: what is going on, and once more.
import { z } from 'zod';
import type { TransferFilter } from '../../core/transfer-queue.ts';
import { transferUrl } from '../api-url.ts';
import type { HttpApp, RouteDeps } from '../http-deps.ts';
import { BucketSchema, KeySchema } from '../object-name.ts';
import { CursorSchema, LimitSchema, pageOf } from '../paging.ts';
import { RequestProblem } from '../problem.ts';
import { FAULT_CODES, TRANSFER_STATUSES, TransferSchema, transferToJson } from '../transfer-json.ts';

const TransferQuery = z
  .strictObject({
    status: z.enum(TRANSFER_STATUSES, `must be one of ${TRANSFER_STATUSES.join(', ')}`).optional(),
    rule: z.string('must be given once').min(1, 'must not be empty').max(255, 'is too long').optional(),
    fault: z.enum(FAULT_CODES, 'must be a code of the fault table').optional(),
    bucket: BucketSchema.optional(),
    prefix: z.string('must be given once').max(1024, 'must be at most 1024 characters long').optional().meta({
      description: 'Start of the source key, literally.',
    }),
    key: KeySchema.optional().meta({ description: 'Exactly this source key; needs bucket.' }),
    cursor: CursorSchema,
    limit: LimitSchema,
  })
  .refine((query) => query.key === undefined || query.bucket !== undefined, {
    path: ['key'],
    message: 'needs the parameter bucket',
  });

const TransferPageSchema = z
  .object({ transfers: z.array(TransferSchema), nextCursor: z.string().nullable() })
  .meta({ id: 'TransferPage' });

const IdParams = z.object({ id: z.string().min(1).max(200) });

export function registerTransferRoutes(app: HttpApp, deps: RouteDeps): void {
  app.route({
    method: 'GET',
    url: '/v1/transfers',
    config: { scope: 'read' },
    schema: {
      operationId: 'listTransfers',
      tags: ['transfers'],
      summary: 'List transfers, newest first',
      description:
        'Pages by cursor: send nextCursor of one page as cursor of the next, with the same filters.',
      querystring: TransferQuery,
      response: { 200: TransferPageSchema.describe('One page.') },
    },
    handler: async (request) => {
      const { cursor, limit, ...query } = request.query;
      const page = await pageOf(cursor, async (known) =>
        deps.queue.list({ filter: filterOf(query), cursor: known, limit }),
      );
      return { transfers: page.transfers.map(transferToJson), nextCursor: page.nextCursor };
    },
  });
  app.route({
    method: 'GET',
    url: '/v1/transfers/:id',
    config: { scope: 'read' },
    schema: {
      operationId: 'getTransfer',
      tags: ['transfers'],
      summary: 'Show one transfer',
      description: 'Also answers for ids of finished periods and of follow-ups that have not begun.',
      params: IdParams,
      response: { 200: TransferSchema.describe('The transfer.') },
    },
    handler: async (request) => transferToJson(await existingTransfer(deps, request.params.id)),
  });
  registerRetryRoute(app, deps);
}

function registerRetryRoute(app: HttpApp, deps: RouteDeps): void {
  app.route({
    method: 'POST',
    url: '/v1/transfers/:id/retry',
    config: { scope: 'admin', allowsEmptyBody: true },
    schema: {
      operationId: 'retryTransfer',
      tags: ['transfers'],
      summary: 'Run one transfer again, now',
      description:
        'Makes the transfer due at once, whatever its status, with its attempts counted from zero. Takes no body. The id of the answer is the one to follow: a finished transfer gets a new one.',
      params: IdParams,
      response: { 202: TransferSchema.describe('Due now.') },
    },
    handler: async (request, reply) => {
      const { id } = request.params;
      const redriven = await deps.queue.redrive(id);
      if (redriven === null) throw unknownTransfer(id);
      deps.logger.info(
        {
          audit: true,
          action: 'transfer.retry',
          transferId: id,
          followTransferId: redriven.transferId,
          keyId: request.caller?.id ?? null,
          requestId: request.id,
        },
        'transfer retried by request',
      );
      const transfer = await existingTransfer(deps, redriven.transferId);
      return reply
        .code(202)
        .header('location', transferUrl(deps.publicUrl, transfer.id))
        .send(transferToJson(transfer));
    },
  });
}

async function existingTransfer(deps: RouteDeps, id: string) {
  const transfer = await deps.queue.get(id);
  if (transfer === null) throw unknownTransfer(id);
  return transfer;
}

function unknownTransfer(id: string): RequestProblem {
  return new RequestProblem('transfer_not_found', `The id ${id} is not known.`);
}

function filterOf(query: Omit<z.output<typeof TransferQuery>, 'cursor' | 'limit'>): TransferFilter {
  const { status, rule, fault, bucket, prefix, key } = query;
  return {
    ...(status === undefined ? {} : { status }),
    ...(rule === undefined ? {} : { ruleName: rule }),
    ...(fault === undefined ? {} : { faultCode: fault }),
    ...(bucket === undefined ? {} : { bucket }),
    ...(prefix === undefined ? {} : { keyPrefix: prefix }),
    ...(key === undefined ? {} : { key }),
  };
}
