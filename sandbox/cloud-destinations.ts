// What S3 delivers to in this cloud: the queues, topics, functions and the event bus that stand beside it.
import { policyAllows } from './aws/resource-policy.ts';
import { type DeliveryFailure, post } from './deliveries.ts';
import type { SandboxEventBridge } from './eventbridge/sandbox-event-bridge.ts';
import { noDestinations, type NotificationDestinations } from './s3/notification.ts';
import type { SandboxSns } from './sns/sandbox-sns.ts';
import type { SandboxSqs } from './sqs/sandbox-sqs.ts';

/** A function of the cloud: called with the event, or posted to as JSON. */
export type CloudFunction = ((event: object) => Promise<unknown>) | string;

export interface CloudServices {
  readonly sqs: SandboxSqs;
  readonly sns: SandboxSns;
  readonly eventBridge: SandboxEventBridge;
  /** By ARN. */
  readonly functions: ReadonlyMap<string, CloudFunction>;
  /**
   * Whether a queue's policy must let S3 send to it, as in earnest; false by default, so that a test need not write
   * one.
   */
  readonly checkPolicies?: boolean;
}

/** Where the notifications of a bucket can go. */
export function cloudDestinations(services: CloudServices): NotificationDestinations {
  const { sqs, sns, eventBridge, functions } = services;
  return {
    defect: (kind, arn, bucketName) => {
      switch (kind) {
        case 'Queue':
          return queueDefect(services, arn, bucketName);
        case 'Topic':
          return sns.hasTopic(arn) ? null : noDestinations.defect(kind, arn, bucketName);
        case 'CloudFunction':
          return functions.has(arn) ? null : noDestinations.defect(kind, arn, bucketName);
      }
    },
    deliver: async (kind, arn, document, signal) => {
      const body = JSON.stringify(document);
      switch (kind) {
        case 'Queue':
          return sqs.deliver(arn, body) ? null : gone(arn);
        case 'Topic':
          if (!sns.hasTopic(arn)) return gone(arn);
          sns.publish(arn, body, { subject: 'Amazon S3 Notification' });
          return null;
        case 'CloudFunction':
          return invoke(functions.get(arn), arn, document, signal);
      }
    },
    putEvent: (event) => eventBridge.putEvent(event),
  };
}

async function invoke(
  cloudFunction: CloudFunction | undefined,
  arn: string,
  document: object,
  signal: AbortSignal,
): Promise<DeliveryFailure | null> {
  if (cloudFunction === undefined) return gone(arn);
  if (typeof cloudFunction === 'string')
    return post(
      cloudFunction,
      { headers: { 'content-type': 'application/json' }, body: JSON.stringify(document) },
      signal,
    );
  await cloudFunction(structuredClone(document));
  return null;
}

function gone(arn: string): DeliveryFailure {
  return { reason: `there is no ${arn}`, status: null, isFinal: true };
}

function queueDefect({ sqs, checkPolicies }: CloudServices, arn: string, bucketName: string): string | null {
  const policy = sqs.policyOf(arn);
  if (policy === null) return 'The destination queue does not exist';
  const access = {
    service: 's3.amazonaws.com',
    action: 'sqs:SendMessage',
    sourceArn: `arn:aws:s3:::${bucketName}`,
    sourceAccount: sqs.accountId,
  };
  if (checkPolicies !== true || policyAllows(policy, access)) return null;
  return 'Permissions on the destination queue do not allow S3 to publish notifications from this bucket';
}
