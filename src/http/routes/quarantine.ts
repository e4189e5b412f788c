// GET /v1/quarantine and GET /v1/quarantine/{id}: records that could not be understood, by their beginning and whole.
import { z } from 'zod';
import type { QuarantinedRecord } from '../../core/transfer-queue.ts';
import type { HttpApp, RouteDeps } from '../http-deps.ts';
import { CursorSchema, LimitSchema, pageOf } from '../paging.ts';
import { RequestProblem } from '../problem.ts';
import { isoTime } from '../transfer-json.ts';

const QuarantinedSchema = z
  .object({
    id: z.string(),
    reason: z.string(),
    raw: z
      .string()
      .meta({ description: 'The record as it came, as JSON text; a listing shows its beginning.' }),
    rawBytes: z.number().meta({ description: 'Length of the whole text in UTF-8.' }),
    receivedAt: z.string().meta({ format: 'date-time' }),
  })
  .meta({ id: 'QuarantinedRecord' });

const QuarantinePage = z
  .object({ records: z.array(QuarantinedSchema), nextCursor: z.string().nullable() })
  .meta({ id: 'QuarantinePage' });

export function registerQuarantineRoute(app: HttpApp, deps: RouteDeps): void {
  app.route({
    method: 'GET',
    url: '/v1/quarantine',
    config: { scope: 'read' },
    schema: {
      operationId: 'listQuarantine',
      tags: ['transfers'],
      summary: 'List records that could not be read',
      description: 'Nothing of them is lost: correct the sender, or name the object to /v1/replicate.',
      querystring: z.strictObject({ cursor: CursorSchema, limit: LimitSchema }),
      response: { 200: QuarantinePage.describe('One page.') },
    },
    handler: async (request) => {
      const { cursor, limit } = request.query;
      const page = await pageOf(cursor, async (known) => deps.queue.listQuarantine({ cursor: known, limit }));
      return { records: page.records.map(recordToJson), nextCursor: page.nextCursor };
    },
  });
  app.route({
    method: 'GET',
    url: '/v1/quarantine/:id',
    config: { scope: 'read' },
    schema: {
      operationId: 'getQuarantined',
      tags: ['transfers'],
      summary: 'Show one record that could not be read, whole',
      params: z.object({ id: z.string().min(1).max(200) }),
      response: { 200: QuarantinedSchema },
    },
    handler: async (request) => {
      const record = await deps.queue.getQuarantined(request.params.id);
      if (record === null)
        throw new RequestProblem('record_not_found', `id: no quarantined record "${request.params.id}".`);
      return recordToJson(record);
    },
  });
}

function recordToJson({
  id,
  reason,
  raw,
  rawBytes,
  receivedAtMs,
}: QuarantinedRecord): z.output<typeof QuarantinedSchema> {
  return { id, reason, raw, rawBytes, receivedAt: isoTime(receivedAtMs) };
}
