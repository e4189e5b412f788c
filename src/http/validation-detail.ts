// Turns what the schema validator found into one sentence per field, so that a caller can correct all of them at once.
import type { FastifySchemaValidationError } from 'fastify/types/schema.js';
import { RequestProblem } from './problem.ts';

/** A field name comes from the caller; a longer one is cut. */
const MAX_NAME_LENGTH = 100;
const MAX_FINDINGS = 20;

/** The problem for a body, a query or parameters that do not fit. `part` is the framework's word for where it was. */
export function validationProblem(
  findings: readonly FastifySchemaValidationError[],
  part: string,
): RequestProblem {
  const sentences = findings.slice(0, MAX_FINDINGS).map((finding) => sentenceOf(finding, part));
  return new RequestProblem('invalid_request', sentences.join('; '));
}

function sentenceOf(finding: FastifySchemaValidationError, part: string): string {
  const field = finding.instancePath.replace(/^\//, '');
  if (finding.keyword === 'unrecognized_keys') {
    const keys: unknown = finding.params['keys'];
    const names = Array.isArray(keys) ? keys.map((key) => shortened(String(key))).slice(0, MAX_FINDINGS) : [];
    return `unknown ${part === 'querystring' ? 'parameter' : 'field'}: ${names.join(', ')}`;
  }
  return `${field === '' ? part : shortened(field)}: ${finding.message ?? 'is not valid'}`;
}

function shortened(name: string): string {
  return name.length <= MAX_NAME_LENGTH ? name : `${name.slice(0, MAX_NAME_LENGTH)}...`;
}
