// What an answer to an effect proves: committed, conflict, unanswered, or a definite refusal.
import type { EffectAnswer } from '../../core/object-target.ts';
import { Fault } from '../../core/faults.ts';
import {
  detailsOfSubject,
  faultOfAnswer,
  type GcsAnswer,
  type GcsRequestSubject,
  isBucketMissing,
  isConditionFalse,
  named,
  NoAnswer,
  unreadableFault,
} from './faults.ts';
import { type NamedObject, parseObjectText } from './gcs-object.ts';

/** Runs an effect; a request whose end nobody knows becomes `unanswered`, everything else is as it was thrown. */
export async function asEffect(run: () => Promise<EffectAnswer>): Promise<EffectAnswer> {
  try {
    return await run();
  } catch (error) {
    if (error instanceof NoAnswer) return { kind: 'unanswered', fault: error.fault };
    throw error;
  }
}

/** Runs a request without effect on an object: no answer is a fault like any other. */
export async function asRead<T>(run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    if (error instanceof NoAnswer) throw error.fault;
    throw error;
  }
}

export function isSuccess({ status }: GcsAnswer): boolean {
  return status >= 200 && status < 300;
}

/**
 * Reads the answer to a write. Throws the fault of a definite refusal.
 * A 5xx or 408 proves nothing: the store may have done what was asked, or may still do it.
 */
export function writeAnswer(answer: GcsAnswer, subject: GcsRequestSubject, nowMs: number): EffectAnswer {
  if (!isSuccess(answer)) return refusedAnswer(answer, subject, nowMs);
  const shown = parseObjectText(answer.text);
  if (shown === null) return { kind: 'unanswered', fault: unreadableFault(answer, subject) };
  const wrongName = wrongNameFault(shown, subject);
  if (wrongName !== null) return { kind: 'unanswered', fault: wrongName };
  return { kind: 'committed', object: shown.object };
}

/** Reads an error answer to an effect: conflict or unanswered, or throws the fault of a definite refusal. */
export function refusedAnswer(answer: GcsAnswer, subject: GcsRequestSubject, nowMs: number): EffectAnswer {
  if (isConditionFalse(answer, subject)) return { kind: 'conflict' };
  const fault = faultOfAnswer(answer, subject, nowMs);
  if (answer.status === 408 || answer.status >= 500) return { kind: 'unanswered', fault };
  throw fault;
}

/** True where an object that an effect needs is not there: another state than the one the effect was made for. */
export function isObjectMissing(answer: GcsAnswer, subject: GcsRequestSubject): boolean {
  return answer.status === 404 && !isBucketMissing(answer, subject);
}

/** The fault where an answer shows an object of another name: something on the way rewrites names. */
export function wrongNameFault({ name }: NamedObject, subject: GcsRequestSubject): Fault | null {
  if (name === null || subject.key === null || name === subject.key) return null;
  return new Fault(
    'target_answer_mismatch',
    `The answer to the request to ${named(subject)} shows an object of another name`,
    { details: { ...detailsOfSubject(subject), name } },
  );
}
