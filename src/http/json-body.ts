// From body bytes to a JSON value, with the bounds that a parser itself does not have: strict UTF-8 (a replaced byte
// would name another object), a limit of nesting. `__proto__` stays a field like any other, which changes no prototype:
// a strict schema refuses it by its name, and what is taken as it came reads own fields only.
import type { FastifyBodyParser, FastifyInstance } from 'fastify';
import { RequestProblem } from './problem.ts';

/** Real notifications nest seven levels deep. */
const MAX_NESTING = 64;

const OPEN_BRACE = 0x7b;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACE = 0x7d;
const CLOSE_BRACKET = 0x5d;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** The parser of application/json. An empty body is undefined where the route's config allows it. */
export function createJsonBodyParser(
  app: Pick<FastifyInstance, 'getDefaultJsonParser'>,
): FastifyBodyParser<Buffer> {
  const parse = app.getDefaultJsonParser('ignore', 'ignore');
  const decoder = new TextDecoder('utf-8', { fatal: true });
  return (request, body, done) => {
    if (body.length === 0 && request.routeOptions.config.allowsEmptyBody === true) {
      done(null, undefined);
      return;
    }
    if (nestsDeeperThan(body, MAX_NESTING)) {
      done(new RequestProblem('too_deep', `The document nests more than ${MAX_NESTING} levels.`));
      return;
    }
    let text: string;
    try {
      text = decoder.decode(body);
    } catch (cause) {
      done(new RequestProblem('invalid_json', 'The body is not valid UTF-8.', { cause }));
      return;
    }
    void parse(request, text, done);
  };
}

/** True where objects and arrays nest deeper than `limit`, brackets inside strings not counted. */
export function nestsDeeperThan(json: Uint8Array, limit: number): boolean {
  let depth = 0;
  let isInString = false;
  for (let index = 0; index < json.length; index++) {
    const byte = json[index];
    if (isInString) {
      if (byte === BACKSLASH) index++;
      else if (byte === QUOTE) isInString = false;
    } else if (byte === QUOTE) {
      isInString = true;
    } else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) {
      depth++;
      if (depth > limit) return true;
    } else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) {
      depth--;
    }
  }
  return false;
}
