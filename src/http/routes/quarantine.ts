// GET /v1/quarantine: records that could not be understood, word by word.
import { z } from 'zod';
import type { HttpApp, RouteDeps } from '../http-deps.ts';
import { CursorSchema, LimitSchema, pageOf } from '../paging.ts';
import { isoTime } from '../transfer-json.ts';

const QuarantinePage = z
  .object({
    records: z.array(
      z.object({
        id: z.string(),
        reason: z.string(),
        raw: z.string().meta({ description: 'The record as it came, as JSON text.' }),
        receivedAt: z.string().meta({ format: 'date-time' }),
      }),
    ),
    nextCursor: z.string().nullable(),
  })
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
      return {
        records: page.records.map(({ id, reason, raw, receivedAtMs }) => ({
          id,
          reason,
          raw,
          receivedAt: isoTime(receivedAtMs),
        })),
        nextCursor: page.nextCursor,
      };
    },
  });
}
