// What a failed delivery means and what to do about it, in words for the person who reads the function's log.
import { AnswerTimeout, type DocumentAnswer } from './send-document.ts';

/** The service did not take the event. Thrown out of the function, so that AWS delivers the event again. */
export class ForwardError extends Error {
  override readonly name = 'ForwardError';
  /** The status of the answer; null where none came. */
  readonly status: number | null;

  constructor(message: string, options: { readonly status: number | null; readonly cause?: unknown }) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.status = options.status;
  }
}

/** The failure for an answer that is not the documented 202. `url` is the intake's address. */
export function answerFailure(url: string, answer: DocumentAnswer): ForwardError {
  const { code, detail, remedy } = readProblem(answer.body);
  const said = `${code === null ? '' : ` (${code})`}${detail === null ? '' : `: ${detail.replace(/\.$/, '')}`}`;
  const message = `${url} answered ${answer.status}${said}. ${answerRemedy(answer, remedy)}`;
  return new ForwardError(message, { status: answer.status });
}

/** The failure for a 202 that accounts for fewer changes (`told`) than the event holds at the least (`least`). */
export function lossFailure(url: string, told: number, least: number): ForwardError {
  const message = `${url} answered 202 and accounted for ${told} of at least ${least} changes of the event (accepted, ignored and quarantined together). AWS tries again, so that none is lost; if it lasts, check that REPLICATOR_URL is the address of the replicator itself and that its version fits this function.`;
  return new ForwardError(message, { status: 202 });
}

/** The failure where no answer came. */
export function deliveryFailure(url: string, error: unknown): ForwardError {
  // Reasons of the TLS library end with a line break.
  const reason = (error instanceof Error ? error.message : String(error)).replaceAll(/\s+/g, ' ').trim();
  const message = `${url} gave no answer: ${reason === '' ? codeOf(error) : reason}. ${deliveryRemedy(error)}`;
  return new ForwardError(message, { status: null, cause: error });
}

/** What the function's owner can do; where only the service knows, its own advice. */
function answerRemedy(answer: DocumentAnswer, advice: string | null): string {
  const { status } = answer;
  if (status >= 200 && status < 300)
    return 'That is not the answer of the intake: check that REPLICATOR_URL is the address of the replicator itself, not of a page or a proxy before it.';
  if (status >= 300 && status < 400)
    return `Redirects are not followed: set REPLICATOR_URL to the final address${redirectTarget(answer.location)}.`;
  switch (status) {
    case 401:
      return "Set REPLICATOR_API_KEY to a key whose entry stands in the service's REPLICATOR_API_KEYS.";
    case 403:
      return 'The key has to carry the scope write; create one with "replicator keys create".';
    case 404:
    case 405:
      return 'REPLICATOR_URL has to be the base address of the service; /v1/events is appended to it.';
    case 413:
      return "The batch is too large for the service: lower the batch size of the function's trigger.";
    case 429:
    case 503:
      return 'The service asks for patience and AWS tries again; if it lasts, give the service more room.';
    default:
      if (advice !== null) return advice;
      return status >= 500
        ? "AWS tries again; if it lasts, read the service's own log."
        : 'AWS tries again; the event ends in the failure queue if the service never accepts it.';
  }
}

/** Host and path alone: what follows may carry a token. */
function redirectTarget(location: string | null): string {
  const target = location === null ? null : URL.parse(location);
  return target === null ? '' : `, here ${target.origin}${target.pathname}`;
}

const NETWORK_REMEDIES: Readonly<Record<string, string>> = {
  ENOTFOUND: 'The host name is not known: check REPLICATOR_URL and the DNS of the VPC.',
  EAI_AGAIN: 'The name lookup failed: check the DNS of the VPC.',
  ECONNREFUSED: 'Nothing listens there: check host and port of REPLICATOR_URL and that the service runs.',
  ECONNRESET: 'The connection broke: AWS tries again; if it lasts, check proxies and the log of the service.',
  EHOSTUNREACH: 'There is no way to the host: check subnets, security groups and the NAT gateway.',
  ENETUNREACH: 'There is no way to the network: a function in a VPC needs a NAT gateway to leave it.',
  EPROTO: 'The other side does not speak TLS: check scheme and port of REPLICATOR_URL.',
};

const CERTIFICATE_CODE = /^(?:CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|ERR_TLS_)/;

function deliveryRemedy(error: unknown): string {
  if (error instanceof AnswerTimeout)
    return 'Whether the event was taken is unknown, so AWS tries again. Check that the service is awake and reachable (a function in a VPC needs a NAT gateway), and give the function a timeout of 15 s or more.';
  const code = codeOf(error);
  if (CERTIFICATE_CODE.test(code))
    return 'The certificate of the service is not trusted: renew it, or name its authority with NODE_EXTRA_CA_CERTS.';
  return (
    NETWORK_REMEDIES[code] ?? 'AWS tries again; if it lasts, check the network between function and service.'
  );
}

function codeOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'string' ? code : 'the connection failed';
}

interface ProblemWords {
  readonly code: string | null;
  readonly detail: string | null;
  readonly remedy: string | null;
}

/** The words of an `application/problem+json` body; null where it says none. */
function readProblem(body: string): ProblemWords {
  let problem: unknown;
  try {
    problem = JSON.parse(body);
  } catch {
    problem = null;
  }
  const told = new Map<string, unknown>(
    typeof problem === 'object' && problem !== null ? Object.entries(problem) : [],
  );
  const words = (name: string, longest: number): string | null => {
    const value = told.get(name);
    return typeof value === 'string' && value !== '' ? value.slice(0, longest) : null;
  };
  return {
    code: words('code', 80),
    detail: words('detail', 500) ?? words('title', 200),
    remedy: words('remedy', 500),
  };
}
