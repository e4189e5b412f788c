// POST /v1/events: any document that carries S3 changes, as it came. A good record is never refused because of a
// bad one beside it: AWS would send the good ones for ever.
import { z } from 'zod';
import { acceptDurably } from '../accept-durably.ts';
import type { SnsDelivery } from '../../core/sns-intake.ts';
import type { HttpApp, RouteDeps } from '../http-deps.ts';
import { RequestProblem } from '../problem.ts';

const EventsBody = z.unknown().meta({
  description:
    'An S3 notification, an EventBridge event, an SNS envelope, or a Lambda batch of SQS or SNS records: the JSON document exactly as AWS delivered it.',
  examples: [
    {
      Records: [
        {
          eventSource: 'aws:s3',
          eventName: 'ObjectCreated:Put',
          s3: { bucket: { name: 'photos' }, object: { key: '2026/11/a+b.jpg', size: 1024 } },
        },
      ],
    },
  ],
});

const EventsAnswer = z
  .object({
    accepted: z.number().meta({ description: 'Changes that at least one rule covers.' }),
    ignored: z.number().meta({ description: 'Records that are no work: test events, other buckets.' }),
    quarantined: z.number().meta({ description: 'Records that could not be read; see /v1/quarantine.' }),
    transfers: z.array(
      z.object({
        id: z.string(),
        joined: z
          .boolean()
          .meta({ description: 'True where the change joined a transfer that was there already.' }),
      }),
    ),
  })
  .meta({ id: 'EventsAnswer' });

export function registerEventsRoute(app: HttpApp, deps: RouteDeps): void {
  app.route({
    method: 'POST',
    url: '/v1/events',
    bodyLimit: deps.limits.eventsBodyBytes,
    config: { scope: 'write', isIntake: true, takesSns: true },
    schema: {
      operationId: 'acceptEvents',
      tags: ['intake'],
      summary: 'Take a document of S3 changes',
      description:
        'Everything that is accepted is stored in one transaction before the answer. Unreadable records go to the quarantine and never fail the request. Deliveries of Amazon SNS over HTTPS need no key: they are proved by their signature and the list of topics, and answered 200.',
      body: EventsBody,
      response: {
        200: EventsAnswer.describe(
          'A delivery of SNS: its changes are stored durably, or its subscription is confirmed.',
        ),
        202: EventsAnswer.describe('Stored durably.'),
      },
    },
    handler: async (request, reply) => {
      const { snsDelivery } = request;
      if (snsDelivery !== null) tellOfSubscription(deps.logger, snsDelivery);
      const document = snsDelivery?.kind === 'notification' ? snsDelivery.document : request.body;
      requireRecordLimit(topLevelRecordCount(document), deps.limits.eventRecords);
      const parsed = deps.parseChangeDocument(document);
      const { changes, ignored, malformed } = parsed;
      requireRecordLimit(changes.length + ignored.length + malformed.length, deps.limits.eventRecords);
      const answer = await acceptDurably(deps, request, parsed);
      return reply.code(snsDelivery === null ? 202 : 200).send({
        accepted: answer.accepted,
        ignored: answer.ignored,
        quarantined: answer.quarantined,
        transfers: answer.transfers.map(({ transferId, joined }) => ({ id: transferId, joined })),
      });
    },
  });
}

function tellOfSubscription(logger: RouteDeps['logger'], { kind, ...delivery }: SnsDelivery): void {
  const topic = 'topicArn' in delivery ? delivery.topicArn : null;
  if (kind === 'confirmed') logger.info({ topic }, 'SNS: the subscription is confirmed');
  if (kind === 'unsubscribed')
    logger.warn(
      { topic, remedy: 'Subscribe again where that was not meant.' },
      'SNS: somebody ended the subscription; nothing comes from this topic any more',
    );
}

/** Counted before any record is looked at, so that a flood of tiny ones costs nothing more than its parsing. */
function topLevelRecordCount(document: unknown): number {
  if (Array.isArray(document)) return document.length;
  if (typeof document !== 'object' || document === null || !('Records' in document)) return 1;
  return Array.isArray(document.Records) ? document.Records.length : 1;
}

function requireRecordLimit(count: number, limit: number): void {
  if (count <= limit) return;
  throw new RequestProblem(
    'too_many_records',
    `The document carries ${count} records; ${limit} are the limit.`,
  );
}
