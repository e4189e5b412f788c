// Every kind of refusal as Amazon SQS and its network give it, over HTTP through the driver, and the fault it becomes.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Fault, type FaultCode } from '../../core/faults.ts';
import { json, type QueueAnswer, startAnsweringQueue } from './testing/answering-queue.ts';

const signal = new AbortController().signal;
const receive = { max: 10, waitSec: 0, visibilitySec: 30 };

/** An error of the JSON protocol; `query` is the old name that Amazon sends beside it. */
function refusal(status: number, type: string, message: string, query?: string): QueueAnswer {
  return {
    status,
    headers: query === undefined ? {} : { 'x-amzn-query-error': query },
    body: JSON.stringify({ __type: type, message }),
  };
}

const USER =
  'User: arn:aws:iam::111122223333:user/replicator is not authorized to perform: sqs:receivemessage';
const RESOURCE = 'on resource: arn:aws:sqs:eu-central-1:111122223333:changes';

const ANSWERS: readonly {
  readonly name: string;
  readonly answer: QueueAnswer;
  readonly fault: FaultCode;
  readonly says?: RegExp;
}[] = [
  {
    name: 'a queue that does not exist',
    answer: refusal(
      400,
      'com.amazonaws.sqs#QueueDoesNotExist',
      'The specified queue does not exist.',
      'AWS.SimpleQueueService.NonExistentQueue;Sender',
    ),
    fault: 'queue_missing',
    says: /The queue http.*\/changes does not exist: 400 .*The specified queue does not exist/,
  },
  {
    name: 'a queue that does not exist, by its old name only',
    answer: refusal(400, 'AWS.SimpleQueueService.NonExistentQueue', 'The specified queue does not exist.'),
    fault: 'queue_missing',
  },
  {
    name: 'a permission that no policy gives',
    answer: refusal(
      403,
      'com.amazon.coral.service#AccessDeniedException',
      `${USER} ${RESOURCE} because no identity-based policy allows the sqs:receivemessage action`,
      'AccessDenied;Sender',
    ),
    fault: 'queue_denied',
    says: /sqs:ReceiveMessage is denied for the queue .*no identity-based policy/,
  },
  {
    name: 'a queue policy that denies',
    answer: refusal(
      400,
      'com.amazonaws.sqs#AccessDenied',
      `${USER} ${RESOURCE} with an explicit deny in a resource-based policy`,
    ),
    fault: 'queue_denied',
  },
  {
    name: 'a key that may not be used',
    answer: refusal(
      400,
      'com.amazonaws.sqs#KmsAccessDenied',
      'The caller does not have access to the KMS key.',
      'KMS.AccessDeniedException;Sender',
    ),
    fault: 'key_access_denied',
    says: /The key that encrypts the queue/,
  },
  {
    name: 'a key that is switched off',
    answer: refusal(
      400,
      'com.amazonaws.sqs#KmsDisabled',
      'The key is disabled.',
      'KMS.DisabledException;Sender',
    ),
    fault: 'key_access_denied',
  },
  {
    name: 'a denial that is about the key',
    answer: refusal(
      400,
      'com.amazon.coral.service#AccessDeniedException',
      'User is not authorized to perform: kms:Decrypt on resource: arn:aws:kms:eu-central-1:111122223333:key/1',
    ),
    fault: 'key_access_denied',
  },
  {
    name: 'a key that asks for fewer requests',
    answer: refusal(400, 'com.amazonaws.sqs#KmsThrottled', 'Rate exceeded', 'KMS.ThrottlingException;Sender'),
    fault: 'queue_unavailable',
  },
  {
    name: 'too many requests',
    answer: refusal(
      400,
      'com.amazonaws.sqs#RequestThrottled',
      'Request is throttled.',
      'RequestThrottled;Sender',
    ),
    fault: 'queue_unavailable',
  },
  {
    name: 'too many requests, by the name that every service knows',
    answer: refusal(400, 'ThrottlingException', 'Rate exceeded'),
    fault: 'queue_unavailable',
  },
  {
    name: '120,000 messages in flight',
    answer: refusal(
      400,
      'com.amazonaws.sqs#OverLimit',
      'Too many messages in flight; delete some.',
      'OverLimit;Sender',
    ),
    fault: 'queue_unavailable',
    says: /Too many messages in flight/,
  },
  {
    name: 'an error inside of SQS',
    answer: refusal(500, 'com.amazon.coral.service#InternalFailure', 'We encountered an internal error.'),
    fault: 'queue_unavailable',
  },
  {
    name: 'a service that is not available',
    answer: refusal(503, 'com.amazon.coral.service#ServiceUnavailableException', 'Unavailable'),
    fault: 'queue_unavailable',
  },
  {
    name: 'a proxy that answers with a page of its own',
    answer: { status: 502, headers: { 'content-type': 'text/html' }, body: '<html>Bad gateway</html>' },
    fault: 'queue_unavailable',
  },
  {
    name: 'a key id that nobody knows',
    answer: refusal(
      403,
      'com.amazon.coral.service#UnrecognizedClientException',
      'The security token included in the request is invalid.',
      'InvalidClientTokenId;Sender',
    ),
    fault: 'credentials_invalid',
    says: /does not accept the credentials/,
  },
  {
    name: 'a wrong secret',
    answer: refusal(
      403,
      'com.amazon.coral.service#InvalidSignatureException',
      'The request signature we calculated does not match the signature you provided.',
      'SignatureDoesNotMatch;Sender',
    ),
    fault: 'credentials_invalid',
  },
  {
    name: 'an expired session',
    answer: refusal(
      403,
      'com.amazon.coral.service#ExpiredTokenException',
      'The security token included in the request is expired',
      'ExpiredToken;Sender',
    ),
    fault: 'credentials_expired',
  },
  {
    name: 'a clock that is wrong',
    answer: refusal(
      403,
      'com.amazon.coral.service#InvalidSignatureException',
      'Signature expired: 20261123T093000Z is now earlier than 20261123T101500Z (20261123T103000Z - 15 min.)',
      'SignatureDoesNotMatch;Sender',
    ),
    fault: 'clock_skewed',
  },
  {
    name: 'a signature for another region',
    answer: refusal(
      403,
      'com.amazon.coral.service#InvalidSignatureException',
      'Credential should be scoped to a valid region.',
      'SignatureDoesNotMatch;Sender',
    ),
    fault: 'queue_refused',
    says: /scoped to a valid region/,
  },
  {
    name: 'a request that makes no sense to the queue',
    answer: refusal(
      400,
      'com.amazonaws.sqs#InvalidAttributeValue',
      'Value 99 for parameter MaxNumberOfMessages is invalid.',
      'InvalidParameterValue;Sender',
    ),
    fault: 'queue_refused',
    says: /MaxNumberOfMessages is invalid/,
  },
  {
    name: 'an operation that the queue does not know',
    answer: refusal(400, 'com.amazonaws.sqs#UnsupportedOperation', 'Unsupported operation'),
    fault: 'queue_refused',
  },
  {
    name: 'an answer that is not JSON',
    answer: { status: 200, body: '<html>Sign in to the hotel network</html>' },
    fault: 'queue_unavailable',
    says: /not an answer of SQS/,
  },
  {
    name: 'a message that was damaged on the way',
    answer: json({
      Messages: [{ MessageId: 'm', ReceiptHandle: 'r', Body: 'damaged', MD5OfBody: '0'.repeat(32) }],
    }),
    fault: 'queue_unavailable',
    says: /damaged on the way/,
  },
];

for (const { name, answer, fault, says } of ANSWERS)
  test(`${name} is ${fault}`, async () => {
    await using server = await startAnsweringQueue(() => answer);
    await assert.rejects(server.queue.receive(receive, signal), (error) => {
      assert.ok(error instanceof Fault, String(error));
      assert.equal(error.code, fault, error.message);
      if (says !== undefined) assert.match(error.message, says);
      return true;
    });
    assert.equal(server.calls.length, 1, 'It is asked once');
  });

test('a queue that asks for a pause says how long', async () => {
  const throttled = refusal(400, 'com.amazonaws.sqs#RequestThrottled', 'Request is throttled.');
  await using server = await startAnsweringQueue(() => ({ ...throttled, headers: { 'retry-after': '7' } }));
  await assert.rejects(server.queue.facts(signal), { code: 'queue_unavailable', retryAfterMs: 7_000 });
});

test('a connection that breaks, is refused or is never answered is queue_unavailable', async () => {
  await using cut = await startAnsweringQueue(() => 'cut');
  await assert.rejects(cut.queue.facts(signal), { code: 'queue_unavailable', message: /ECONNRESET/ });
  await using silent = await startAnsweringQueue(() => null, { answerTimeoutMs: 50 });
  await assert.rejects(silent.queue.facts(signal), {
    code: 'queue_unavailable',
    message: /not answer in time/,
  });
  const gone = await startAnsweringQueue(() => null);
  await gone[Symbol.asyncDispose]();
  await assert.rejects(gone.queue.facts(signal), { code: 'queue_unavailable', message: /ECONNREFUSED/ });
});
