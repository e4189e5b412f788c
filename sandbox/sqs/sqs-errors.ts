// The refusals of SQS in its JSON protocol: each with its status, the name of its shape, and the code of the older
// protocol that the header x-amzn-query-error carries and most clients show.
import type { SandboxAnswer } from '../http-answer.ts';

const service = 'com.amazonaws.sqs#';
const framework = 'com.amazon.coral.service#';
const older = 'AWS.SimpleQueueService.';

/** Code -> status, shape, code of the older protocol. */
const knownErrors = {
  AccessDenied: [403, `${framework}AccessDeniedException`, 'AccessDenied'],
  BatchEntryIdsNotDistinct: [400, `${service}BatchEntryIdsNotDistinct`, `${older}BatchEntryIdsNotDistinct`],
  BatchRequestTooLong: [400, `${service}BatchRequestTooLong`, `${older}BatchRequestTooLong`],
  EmptyBatchRequest: [400, `${service}EmptyBatchRequest`, `${older}EmptyBatchRequest`],
  ExpiredToken: [403, `${framework}ExpiredTokenException`, 'ExpiredToken'],
  InvalidAction: [400, `${framework}UnknownOperationException`, 'InvalidAction'],
  InvalidAttributeName: [400, `${service}InvalidAttributeName`, 'InvalidAttributeName'],
  InvalidAttributeValue: [400, `${service}InvalidAttributeValue`, 'InvalidAttributeValue'],
  InvalidBatchEntryId: [400, `${service}InvalidBatchEntryId`, `${older}InvalidBatchEntryId`],
  InvalidClientTokenId: [403, `${framework}UnrecognizedClientException`, 'InvalidClientTokenId'],
  InvalidMessageContents: [400, `${service}InvalidMessageContents`, 'InvalidMessageContents'],
  InvalidParameterValue: [400, `${framework}InvalidParameterValueException`, 'InvalidParameterValue'],
  MissingAuthenticationToken: [
    403,
    `${framework}MissingAuthenticationTokenException`,
    'MissingAuthenticationToken',
  ],
  MissingParameter: [400, `${framework}MissingRequiredParameterException`, 'MissingParameter'],
  IncompleteSignature: [403, `${framework}IncompleteSignatureException`, 'IncompleteSignature'],
  OverLimit: [403, `${service}OverLimit`, 'OverLimit'],
  PurgeQueueInProgress: [403, `${service}PurgeQueueInProgress`, `${older}PurgeQueueInProgress`],
  QueueDeletedRecently: [400, `${service}QueueDeletedRecently`, `${older}QueueDeletedRecently`],
  QueueDoesNotExist: [400, `${service}QueueDoesNotExist`, `${older}NonExistentQueue`],
  QueueNameExists: [400, `${service}QueueNameExists`, 'QueueAlreadyExists'],
  ReceiptHandleIsInvalid: [404, `${service}ReceiptHandleIsInvalid`, 'ReceiptHandleIsInvalid'],
  ResourceNotFoundException: [404, `${service}ResourceNotFoundException`, 'ResourceNotFoundException'],
  SignatureDoesNotMatch: [403, `${framework}InvalidSignatureException`, 'SignatureDoesNotMatch'],
  TooManyEntriesInBatchRequest: [
    400,
    `${service}TooManyEntriesInBatchRequest`,
    `${older}TooManyEntriesInBatchRequest`,
  ],
} as const satisfies Record<string, readonly [number, string, string]>;

export type SqsErrorCode = keyof typeof knownErrors;

/** A refusal that the client is meant to see. */
export class SqsError extends Error {
  override readonly name = 'SqsError';
  readonly code: SqsErrorCode;

  constructor(code: SqsErrorCode, message: string) {
    super(message);
    this.code = code;
  }

  /** As an entry of a batch says it. */
  get batchCode(): string {
    return knownErrors[this.code][2];
  }
}

/** A parameter's value and what is wrong with it, in the service's words. */
export function invalidParameter(name: string, value: string | number, reason: string): SqsError {
  return new SqsError(
    'InvalidParameterValue',
    `Value ${value} for parameter ${name} is invalid. Reason: ${reason}`,
  );
}

export function sqsErrorAnswer(error: SqsError): SandboxAnswer {
  const [status, shape, olderCode] = knownErrors[error.code];
  return {
    status,
    headers: { 'x-amzn-query-error': `${olderCode};Sender` },
    body: JSON.stringify({ __type: shape, message: error.message }),
  };
}
