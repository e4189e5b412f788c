// The SQS endpoint: who calls, whether that is allowed, and which action the target header names.
import { randomUUID } from 'node:crypto';
import type { Keyring } from '../aws/keyring.ts';
import { checkServiceSignature, codeOfDefect } from '../aws/service-signature.ts';
import type { SandboxAnswer } from '../http-answer.ts';
import { readWhole, type SandboxHandler, type SandboxRequest } from '../http-server.ts';
import { listMessageMoveTasks, startMessageMoveTask } from './move-task-calls.ts';
import {
  createQueue,
  deleteQueue,
  getQueueAttributes,
  getQueueUrl,
  listQueues,
  purgeQueue,
  setQueueAttributes,
} from './queue-calls.ts';
import {
  changeMessageVisibility,
  changeMessageVisibilityBatch,
  deleteMessage,
  deleteMessageBatch,
  receiveMessage,
} from './receive-calls.ts';
import { type Fields, optionalText, readFields } from './request-fields.ts';
import { sendMessage, sendMessageBatch } from './send-calls.ts';
import { SqsError, sqsErrorAnswer } from './sqs-errors.ts';
import { arnOf, type SqsAction, type SqsState } from './sqs-state.ts';

const actions = {
  ChangeMessageVisibility: changeMessageVisibility,
  ChangeMessageVisibilityBatch: changeMessageVisibilityBatch,
  CreateQueue: createQueue,
  DeleteMessage: deleteMessage,
  DeleteMessageBatch: deleteMessageBatch,
  DeleteQueue: deleteQueue,
  GetQueueAttributes: getQueueAttributes,
  GetQueueUrl: getQueueUrl,
  ListMessageMoveTasks: listMessageMoveTasks,
  ListQueues: listQueues,
  PurgeQueue: purgeQueue,
  ReceiveMessage: receiveMessage,
  SendMessage: sendMessage,
  SendMessageBatch: sendMessageBatch,
  SetQueueAttributes: setQueueAttributes,
  StartMessageMoveTask: startMessageMoveTask,
} as const satisfies Record<string, SqsAction>;

export type SqsActionName = keyof typeof actions;

const largestRequestBytes = 4 * 1024 * 1024;
const target = 'AmazonSQS.';

/** Makes the handler of one SQS endpoint. */
export function routeSqs(state: SqsState, keyring: Keyring): SandboxHandler {
  return async (request) => {
    const answer = await answerOf(state, keyring, request);
    return {
      ...answer,
      headers: {
        'content-type': 'application/x-amz-json-1.0',
        'x-amzn-requestid': randomUUID(),
        ...answer.headers,
      },
    };
  };
}

async function answerOf(state: SqsState, keyring: Keyring, request: SandboxRequest): Promise<SandboxAnswer> {
  try {
    const body = await readWhole(request.body, largestRequestBytes);
    const { region } = state;
    const checked = checkServiceSignature(request, body, { keyring, region, service: 'sqs' });
    if (checked.kind === 'refused') throw new SqsError(codeOfDefect[checked.defect], checked.message);
    const name = actionName(request);
    const fields = readFields(body);
    if (state.denied.has(name)) throw denial(state, checked.keys.arn, name, fields);
    const answer = await actions[name](state, { fields, gone: request.gone });
    return { status: 200, body: JSON.stringify(answer) };
  } catch (error) {
    if (!(error instanceof SqsError)) throw error;
    return sqsErrorAnswer(error);
  }
}

function actionName(request: SandboxRequest): SqsActionName {
  const header = String(request.headers['x-amz-target'] ?? '');
  const name = header.startsWith(target) ? header.slice(target.length) : '';
  if (request.method !== 'POST' || !isAction(name))
    throw new SqsError(
      'InvalidAction',
      `The action ${name === '' ? header : name} is not valid for this endpoint.`,
    );
  return name;
}

function isAction(name: string): name is SqsActionName {
  return Object.hasOwn(actions, name);
}

function denial(state: SqsState, arn: string, name: string, fields: Fields): SqsError {
  const queueName =
    optionalText(fields, 'QueueUrl')?.split('/').at(-1) ?? optionalText(fields, 'QueueName') ?? '*';
  const action = `sqs:${name.toLowerCase()}`;
  return new SqsError(
    'AccessDenied',
    `User: ${arn} is not authorized to perform: ${action} on resource: ${arnOf(state, queueName)} because no identity-based policy allows the ${action} action`,
  );
}
