// Calls to the SQS, SNS and EventBridge of a server that checks no signatures, in the protocols of these services: for
// what our own clients do not do.
import assert from 'node:assert/strict';

/** The signature is not checked there; its scope tells which service is meant. */
function headersFor(service: 'sqs' | 'sns' | 'events', contentType: string): Record<string, string> {
  const scope = `AKTEST/20260101/us-east-1/${service}/aws4_request`;
  return {
    'content-type': contentType,
    authorization: `AWS4-HMAC-SHA256 Credential=${scope}, SignedHeaders=host, Signature=0`,
  };
}

async function send(url: string, headers: Record<string, string>, body: string): Promise<string> {
  const answer = await fetch(url, { method: 'POST', headers, body });
  const text = await answer.text();
  assert.equal(answer.status, 200, `${body}: ${text}`);
  return text;
}

/** A call of the JSON protocol; `target` such as `AmazonSQS.CreateQueue`. */
export async function callJson(
  url: string,
  service: 'sqs' | 'events',
  target: string,
  input: object,
): Promise<Record<string, unknown>> {
  const version = service === 'sqs' ? '1.0' : '1.1';
  const headers = { ...headersFor(service, `application/x-amz-json-${version}`), 'x-amz-target': target };
  const text = await send(url, headers, JSON.stringify(input));
  return text === '' ? {} : (JSON.parse(text) as Record<string, unknown>);
}

/** A call of the query protocol of SNS; the answer is XML. */
export async function callSns(url: string, action: string, input: Record<string, string>): Promise<string> {
  const headers = headersFor('sns', 'application/x-www-form-urlencoded');
  return send(url, headers, new URLSearchParams({ Action: action, ...input }).toString());
}

/** Makes a queue; returns its address and its ARN. */
export async function createQueue(
  url: string,
  name: string,
): Promise<{ queueUrl: string; queueArn: string }> {
  const { QueueUrl } = await callJson(url, 'sqs', 'AmazonSQS.CreateQueue', { QueueName: name });
  return { queueUrl: String(QueueUrl), queueArn: `arn:aws:sqs:us-east-1:000000000000:${name}` };
}
