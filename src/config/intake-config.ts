// The ways in beside plain HTTP calls, put together: which queue is polled, whose SNS deliveries are believed.
import { checkEndpoint } from './config-endpoint.ts';
import type { Findings } from './findings.ts';
import { showFound } from './problem.ts';
import type { SettingsReading } from './read-settings.ts';

/** The SQS queue that is polled. */
export interface SqsConfig {
  readonly queueUrl: string;
  readonly region: string;
  /** Scheme, host and port; null for Amazon SQS. */
  readonly endpoint: string | null;
}

export interface IntakeConfig {
  /** Null: no queue is polled. */
  readonly sqs: SqsConfig | null;
  /** For so long a worker without a database hides a message at a time. */
  readonly sqsVisibilitySec: number;
  /** Empty: SNS deliveries are refused. */
  readonly snsTopicArns: readonly string[];
  /** Scheme, host and port of what speaks for SNS; null for Amazon SNS. */
  readonly snsEndpoint: string | null;
  /** Changes per second that one caller may hand over; null: no limit. */
  readonly callerRatePerSec: number | null;
}

/** Settings of the ways in put together; problems go to `findings`. `region`: of the source, where the queue tells none. */
export function intakeConfig(reading: SettingsReading, region: string, findings: Findings): IntakeConfig {
  const { values } = reading;
  return {
    sqs: sqsConfig(reading, region, findings),
    sqsVisibilitySec: values.SQS_VISIBILITY_SEC,
    snsTopicArns: values.SNS_TOPIC_ARNS,
    snsEndpoint: snsEndpoint(reading, findings),
    callerRatePerSec: values.CALLER_RATE_LIMIT === 0 ? null : values.CALLER_RATE_LIMIT,
  };
}

function snsEndpoint(reading: SettingsReading, findings: Findings): string | null {
  const { values } = reading;
  const { AWS_ENDPOINT_URL_SNS: own, AWS_ENDPOINT_URL: shared } = values;
  if (values.SNS_TOPIC_ARNS.length === 0) return null;
  // What the source or the queue use as well is told there.
  const isToldOfQueue = values.SQS_QUEUE_URL !== null && values.AWS_ENDPOINT_URL_SQS === null;
  if (own !== null) checkEndpoint('AWS_ENDPOINT_URL_SNS', own, reading, findings);
  else if (values.AWS_ENDPOINT_URL_S3 !== null && !isToldOfQueue)
    checkEndpoint('AWS_ENDPOINT_URL', shared, reading, findings);
  return own ?? shared;
}

function sqsConfig(reading: SettingsReading, region: string, findings: Findings): SqsConfig | null {
  const { values } = reading;
  const queueUrl = values.SQS_QUEUE_URL;
  if (queueUrl === null) return null;
  const own = values.AWS_ENDPOINT_URL_SQS;
  const given = own ?? values.AWS_ENDPOINT_URL;
  if (own !== null) checkEndpoint('AWS_ENDPOINT_URL_SQS', own, reading, findings);
  // Otherwise it is told of the source, unless that has an address of its own.
  else if (values.AWS_ENDPOINT_URL_S3 !== null) checkEndpoint('AWS_ENDPOINT_URL', given, reading, findings);
  const { hostname, origin } = new URL(queueUrl);
  const named = /(?:^|\.)sqs\.([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?$/.exec(hostname);
  if (named === null && given === null) checkEndpoint('SQS_QUEUE_URL', origin, reading, findings);
  if (given === null && named !== null && queueUrl.startsWith('http:'))
    findings.refuse(
      'SQS_QUEUE_URL',
      showFound(queueUrl, false),
      'is plain http to Amazon SQS',
      'write https instead of http',
    );
  const endpoint = given ?? (named === null ? origin : null);
  return { queueUrl, region: named?.[1] ?? region, endpoint };
}
