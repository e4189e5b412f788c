// Refuses changes before anything else is done for them, where more come than the process keeps up with: nobody is asked
// who he is and no route is looked up, because refusing has to cost far less than taking.
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { IntakeGate } from '../replication/intake-gate.ts';
import { RETRY_AFTER_SEC } from './admission.ts';
import { IntakePressure } from './intake-pressure.ts';
import { problemAnswer, RequestProblem } from './problem.ts';

const ID_PLACE = '(request id)';

/**
 * Puts itself before whatever answers the requests of the server, which must be listening to them already. `paths`:
 * where changes are posted; `longestTurnMs`: see IntakePressure.
 */
export function refuseEarly(
  server: Server,
  options: {
    readonly gate: Pick<IntakeGate, 'tooManyAtOnce'>;
    readonly paths: ReadonlySet<string>;
    readonly longestTurnMs: number;
    readonly requestIdOf: (request: IncomingMessage) => string;
  },
): void {
  const { gate, paths, longestTurnMs, requestIdOf } = options;
  const pressure = new IntakePressure(longestTurnMs);
  const { status, text } = refusal();
  const answer = (request: IncomingMessage, response: ServerResponse): void => {
    const requestId = requestIdOf(request);
    const body = text.replace(ID_PLACE, requestId);
    response.writeHead(status, {
      'content-length': Buffer.byteLength(body),
      'content-type': 'application/problem+json; charset=utf-8',
      'x-content-type-options': 'nosniff',
      'cache-control': 'no-store',
      'retry-after': String(RETRY_AFTER_SEC),
      'x-request-id': requestId,
    });
    response.end(body);
  };
  const next = server.listeners('request');
  server.removeAllListeners('request');
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    const isIntake = request.method === 'POST' && paths.has(pathOf(request.url ?? ''));
    if (isIntake && pressure.mustRefuse()) {
      gate.tooManyAtOnce();
      answer(request, response);
    } else for (const listener of next) listener.call(server, request, response);
  });
  server.on('connection', () => pressure.connectionCame());
}

function refusal(): { readonly status: number; readonly text: string } {
  const detail = 'More requests came at once than can be answered within a second.';
  const { status, document } = problemAnswer(new RequestProblem('overloaded', detail), ID_PLACE);
  return { status, text: JSON.stringify(document) };
}

function pathOf(url: string): string {
  const question = url.indexOf('?');
  return question < 0 ? url : url.slice(0, question);
}
