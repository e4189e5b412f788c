// The forwarder's settings from its environment, checked before anything is sent. Every problem is told at once, with
// the variable's name and what to do; a value that is a secret is never part of a message.
import { readWebhookSecret } from '../../core/webhook-secret.ts';
import type { SenderProof } from './post-to-intake.ts';

/** Where documents are sent, as whom, and how long an answer is waited for at most. */
export interface ForwarderSettings {
  /** The address of the intake itself: the base address and `/v1/events`. */
  readonly url: string;
  readonly proof: SenderProof;
  readonly timeoutMs: number;
}

type Environment = Readonly<Record<string, string | undefined>>;

const INTAKE_PATH = '/v1/events';
const TIMEOUT_MS = 10_000;
/** What the service keeps of a key: scope, id and hash. It is often pasted where the key itself belongs. */
const KEY_ENTRY = /^[a-z]+:[^:]*:[0-9a-f]{64}$/i;
/** References that the service resolves at its start. */
const REFERENCE = /^(?:ssm|aws-sm|gcp-sm|file):/;
const SERVICE_NAMES = ['REPLICATOR_URL', 'FASTAPI_URL'] as const;

/** The forwarder cannot work like this; the message names every variable that is wrong and the remedy. */
export class ForwarderSettingsError extends Error {
  override readonly name = 'ForwarderSettingsError';
}

/** True where the environment names a service at all, rightly or wrongly. */
export function namesService(environment: Environment): boolean {
  return SERVICE_NAMES.some((name) => (environment[name]?.trim() ?? '') !== '');
}

/** Reads the settings from environment variables. Throws a ForwarderSettingsError that names all that is wrong. */
export function readForwarderSettings(environment: Environment): ForwarderSettings {
  const problems: string[] = [];
  const url = readUrl(environment, problems);
  const apiKey = readKey(environment['REPLICATOR_API_KEY'], problems);
  const secret = readSecret(environment['REPLICATOR_WEBHOOK_SECRET'], problems);
  if (url === null || problems.length > 0)
    throw new ForwarderSettingsError(`The forwarder is not set up: ${problems.join(' ')}`);
  return { url, proof: proofOf(apiKey, secret), timeoutMs: TIMEOUT_MS };
}

/** A signature proves more than a key and never travels, so it goes first. */
function proofOf(apiKey: string | null, secret: Uint8Array | null): SenderProof {
  if (secret !== null) return { kind: 'signature', secret };
  return apiKey === null ? { kind: 'none' } : { kind: 'key', apiKey };
}

function readUrl(environment: Environment, problems: string[]): string | null {
  const found = SERVICE_NAMES.flatMap((name) => {
    const text = environment[name]?.trim() ?? '';
    return text === '' ? [] : [{ name, text }];
  });
  if (found.length === 0) {
    problems.push(
      'REPLICATOR_URL is missing: set it to the address of the service, such as https://replicator.example.com.',
    );
    return null;
  }
  const addresses = found.map(({ name, text }) => intakeAddress(name, text));
  for (const address of addresses) if ('problem' in address) problems.push(address.problem);
  const urls = new Set(addresses.flatMap((address) => ('url' in address ? [address.url] : [])));
  if (urls.size > 1)
    problems.push('REPLICATOR_URL and FASTAPI_URL name two different services: remove one of them.');
  const [url] = urls;
  return url ?? null;
}

function intakeAddress(name: string, text: string): { readonly url: string } | { readonly problem: string } {
  const base = URL.parse(text);
  if (base === null || (base.protocol !== 'https:' && base.protocol !== 'http:'))
    return { problem: `${name} is not a web address: it has to begin with https://.` };
  if (base.username !== '' || base.password !== '')
    return { problem: `${name} holds a user name or password: put the key into REPLICATOR_API_KEY instead.` };
  if (base.search !== '' || base.hash !== '')
    return { problem: `${name} has a part after "?" or "#": set it to the base address alone.` };
  if (base.protocol === 'http:' && !isLoopback(base.hostname))
    return {
      problem: `${name} uses plain http: to ${base.host}, which shows key and names to the network: use https://.`,
    };
  const path = base.pathname.replace(/\/+$/, '');
  return { url: `${base.origin}${path.endsWith(INTAKE_PATH) ? path : `${path}${INTAKE_PATH}`}` };
}

function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127(?:\.\d{1,3}){3}$/.test(hostname);
}

function readKey(value: string | undefined, problems: string[]): string | null {
  const key = value?.trim() ?? '';
  if (key === '') return null;
  if (REFERENCE.test(key)) problems.push(referenceProblem('REPLICATOR_API_KEY'));
  else if (KEY_ENTRY.test(key))
    problems.push(
      "REPLICATOR_API_KEY holds the service's entry (scope:id:hash): set it to the key that was shown beside it.",
    );
  // What cannot stand in a header would otherwise fail with a message that shows the value.
  else if (!/^[\x21-\x7e]+$/.test(key))
    problems.push(
      'REPLICATOR_API_KEY holds a space, a line break or another sign that no key has: paste it again.',
    );
  return key;
}

/** The bytes of `whsec_` and base64; null where nothing is set, or, with the problem told, nothing usable. */
function readSecret(value: string | undefined, problems: string[]): Uint8Array | null {
  const text = value?.trim() ?? '';
  if (text === '') return null;
  if (REFERENCE.test(text)) {
    problems.push(referenceProblem('REPLICATOR_WEBHOOK_SECRET'));
    return null;
  }
  if (text.includes(',')) {
    problems.push(
      "REPLICATOR_WEBHOOK_SECRET holds a list: set it to one secret of the service's REPLICATOR_WEBHOOK_SECRETS.",
    );
    return null;
  }
  const read = readWebhookSecret(text);
  if ('secret' in read) return read.secret;
  problems.push(
    `REPLICATOR_WEBHOOK_SECRET ${read.problem}: paste one entry of the service's REPLICATOR_WEBHOOK_SECRETS, which is whsec_ followed by 24 to 64 bytes in base64.`,
  );
  return null;
}

function referenceProblem(name: string): string {
  return `${name} is a reference, which the forwarder does not resolve (it carries no AWS SDK): set the value itself, which Lambda keeps encrypted, and let whatever deploys the function look it up.`;
}
