// The calls of the page. The key lives in this tab's session storage and travels in a header, never in an address.

const KEY_NAME = 'replicator-api-key';

/** A refusal of the service, with the fields of its problem document. */
export class Refusal extends Error {
  constructor(status, problem) {
    super(problem.detail ?? `The service answered ${status}`);
    this.status = status;
    this.code = problem.code ?? '';
    this.title = problem.title ?? 'The service refused the request';
    this.remedy = problem.remedy ?? '';
  }
}

export function hasKey() {
  return sessionStorage.getItem(KEY_NAME) !== null;
}

export function rememberKey(key) {
  sessionStorage.setItem(KEY_NAME, key);
}

export function forgetKey() {
  sessionStorage.removeItem(KEY_NAME);
}

/** GET of a path below the page, with parameters; empty ones are left out. Throws a Refusal, or TypeError offline. */
export async function get(path, parameters = {}) {
  const query = new URLSearchParams(Object.entries(parameters).filter(([, value]) => value !== ''));
  return call('GET', query.size > 0 ? `${path}?${query}` : path);
}

/** POST; `value` becomes the body as JSON, without it there is none. */
export async function post(path, value) {
  return call('POST', path, value);
}

async function call(method, path, value) {
  const key = sessionStorage.getItem(KEY_NAME);
  const headers = {
    ...(key === null ? {} : { authorization: `Bearer ${key}` }),
    ...(value === undefined ? {} : { 'content-type': 'application/json' }),
  };
  const body = value === undefined ? {} : { body: JSON.stringify(value) };
  const answer = await fetch(path, { method, headers, ...body, cache: 'no-store' });
  const text = await answer.text();
  let answered = {};
  try {
    answered = JSON.parse(text);
  } catch (error) {
    // Something between us and the service answered in its place; the status says more than its page.
    if (answer.ok) throw new Error('The answer is not JSON', { cause: error });
  }
  if (!answer.ok) throw new Refusal(answer.status, answered);
  return answered;
}
