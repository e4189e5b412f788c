// The faults of S3 calls that go through the SDK: what such a call was answered is read like every other answer of
// S3, so that one table says what a refusal means.
import type { S3Translator } from '../../aws/s3-calls.ts';
import type { Clock } from '../../core/clock.ts';
import { Fault } from '../../core/faults.ts';
import { answerFault, networkFault } from './faults.ts';

/** The translator for the calls of one provider. */
export function s3Translator(options: {
  readonly region: string;
  /** Base URL of another provider; null for Amazon. */
  readonly endpoint: string | null;
  readonly expectedOwner: (bucket: string) => string | null;
  readonly clock: Clock;
}): S3Translator {
  const { region, expectedOwner, clock } = options;
  const origin = options.endpoint ?? `Amazon S3 in ${region}`;
  return {
    refused: (refusal, subject) => {
      const context = { ...subject, region, expectedOwner: expectedOwner(subject.bucket) };
      return answerFault(refusal, context, clock.nowMs());
    },
    broken: (error) => {
      // The SDK's own timeouts carry no code.
      if (error instanceof Error && error.name === 'TimeoutError')
        return new Fault('source_unreachable', `${origin} did not answer in time`, {
          cause: error,
          details: { store: 'source', origin },
        });
      return networkFault(error, origin);
    },
  };
}
