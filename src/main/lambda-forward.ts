// The entry of the forwarding Lambda function: its environment and its log, nothing else.
import { createForwarder } from '../triggers/lambda/forward.ts';
import { readForwarderSettings } from '../triggers/lambda/forwarder-settings.ts';
import type { InvocationContext, Taken } from '../triggers/lambda/post-to-intake.ts';
import type { BatchAnswer } from '../triggers/lambda/sqs-batch.ts';

/**
 * Lambda's handler. The settings are read at each call, so that a wrong one fails the invocation, is retried by AWS
 * and stands in the log with its remedy, instead of breaking the start of the function.
 */
export async function handler(event: unknown, context: InvocationContext): Promise<Taken | BatchAnswer> {
  const forward = createForwarder({
    ...readForwarderSettings(process.env),
    log: (line) => void process.stdout.write(`${JSON.stringify(line)}\n`),
  });
  return forward(event, context);
}
