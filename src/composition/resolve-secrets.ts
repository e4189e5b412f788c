// The step before a configuration is read: secrets that are kept elsewhere are fetched, with the credentials that the
// settings or the platform give. Nothing of it is loaded where no setting is a reference.
import { awsCredentialsOf, googleCredentialsOf } from './cloud-credentials.ts';
import { buildConfig, type Config, type Secrets } from '../config/config.ts';
import { readEnvFile } from '../config/env-file.ts';
import { Findings } from '../config/findings.ts';
import type { SecretAnswer } from '../config/given-value.ts';
import type { ConfigSources } from '../config/load-config.ts';
import type { MachineFacts } from '../config/machine-facts.ts';
import { readSettings, type SettingsReading } from '../config/read-settings.ts';
import { findReferences, type FoundReference, secretEndpoint } from '../config/secret-access.ts';
import { Secret } from '../config/secrets.ts';
import { type SecretReader, type SecretTrouble, unreadable } from '../core/secret-reader.ts';
import type { SecretReference } from '../core/secret-reference.ts';
import { SYSTEM_CLOCK as clock } from '../system-clock.ts';
import type { ReadingOrder } from '../secrets/reading-order.ts';

type Machine = ConfigSources & MachineFacts;

/**
 * Answers the sources with what was read for every reference in them. `only`: the settings that are wanted, null for
 * all. Never throws for what a place answers; `loadConfig` tells it together with every other problem.
 */
export async function resolveSecrets<Sources extends Machine>(
  sources: Sources,
  only: ReadonlySet<string> | null = null,
): Promise<Sources> {
  const found = findReferences(sources, null);
  const isWanted = ({ setting }: FoundReference): boolean => only?.has(setting) ?? true;
  if (!found.some(isWanted)) return sources;
  const { resolveReferences } = await import('../secrets/resolve-references.ts');
  const { readingOrder } = await import('../secrets/reading-order.ts');
  const answers = new Map<string, SecretAnswer>();
  const order = readingOrder(found, isWanted);
  for (const { text } of order.circular) answers.set(text, CIRCULAR);
  for (const wave of order.waves) {
    const references = new Map(wave.map(({ text, reference }) => [text, reference]));
    const readerOf = openReaders({ ...sources, secretAnswers: answers }, order);
    for (const [text, answer] of await resolveReferences(references, { readerOf, clock }))
      answers.set(text, answer.ok ? { ok: true, value: new Secret(answer.text) } : answer);
  }
  return { ...sources, secretAnswers: answers };
}

const CIRCULAR: SecretAnswer = {
  ok: false,
  reason: 'cannot be read: the credentials of each cloud are kept in the other one',
  fix: 'keep those of one cloud elsewhere: use a role of the platform, a file, or the setting itself',
};

type Opened = { readonly reader: SecretReader; readonly region: string | null } | SecretTrouble;

/** Readers for one wave, each opened once. The answers of the waves before are in `machine`. */
function openReaders(
  machine: Machine,
  order: ReadingOrder<FoundReference>,
): (reference: SecretReference) => Promise<Opened> {
  const opened = new Map<string, Promise<Opened>>();
  const { env, envFileText, secretAnswers, ...facts } = machine;
  const reading = readSettings(env, readEnvFile(envFileText).variables, secretAnswers);
  // What is wrong with the other settings is told by loadConfig.
  const { config, secrets } = buildConfig(reading, facts, new Findings());
  const access = { machine, order, reading, config, secrets };
  return async (reference) => {
    const key = `${reference.place} ${reference.region ?? ''}`;
    const known = opened.get(key) ?? openReader(reference, access);
    opened.set(key, known);
    return known;
  };
}

interface Access {
  readonly machine: Machine;
  readonly order: ReadingOrder<FoundReference>;
  readonly reading: SettingsReading;
  readonly config: Config;
  readonly secrets: Secrets;
}

async function openReader({ place, region }: SecretReference, access: Access): Promise<Opened> {
  const { machine, reading } = access;
  if (place === 'file') {
    const { fileSecrets } = await import('../secrets/file-secret.ts');
    return { reader: fileSecrets(machine.readFile), region: null };
  }
  const endpoint = secretEndpoint(place, reading);
  if (!endpoint.ok) return trouble('unreachable', endpoint.words);
  // An emulator asks for no credentials.
  const isEmulator = place === 'gcp-sm' && endpoint.url !== null;
  const unread = isEmulator ? null : unreadKey(place === 'gcp-sm' ? 'google' : 'aws', access);
  if (unread !== null) return trouble('no_credentials', `${unread} could not be read`);
  return place === 'gcp-sm'
    ? openGoogle(region, endpoint.url, access)
    : openAws(place, region ?? access.config.source.region, endpoint.url, access);
}

async function openAws(
  place: 'ssm' | 'aws-sm',
  region: string,
  endpoint: string | null,
  { machine, order, config, secrets }: Access,
): Promise<Opened> {
  if (region === '') return trouble('no_region', '');
  const isPlatformOnly = order.platformOnly.has('aws');
  const credentials = awsCredentialsOf(config, isPlatformOnly ? { ...secrets, aws: null } : secrets, {
    ignoresEnvironment: isPlatformOnly,
    profile: machine.env['AWS_PROFILE'],
  });
  const options = { region, endpoint, credentials };
  if (place === 'ssm') {
    const { openSsmParameters } = await import('../aws/ssm-parameters.ts');
    return { reader: await openSsmParameters(options), region };
  }
  const { openManagedSecrets } = await import('../aws/managed-secrets.ts');
  return { reader: await openManagedSecrets(options), region };
}

async function openGoogle(
  location: string | null,
  endpoint: string | null,
  { order, secrets }: Access,
): Promise<Opened> {
  const { googleAccessToken } = await import('../google/access-token.ts');
  const { openSecretVersions, SECRETS_SCOPE } = await import('../google/secret-versions.ts');
  const credentials = googleCredentialsOf(
    order.platformOnly.has('google') ? { ...secrets, google: null } : secrets,
  );
  const tokens = endpoint === null ? googleAccessToken(credentials, clock, { scope: SECRETS_SCOPE }) : null;
  return { reader: openSecretVersions({ endpoint, location, tokens }), region: location };
}

/** A setting of the cloud's credentials whose own reference could not be read; null where there is none. */
function unreadKey(cloud: 'aws' | 'google', { machine, order }: Access): string | null {
  const unread = order.keysOf[cloud].find(({ text }) => machine.secretAnswers?.get(text)?.ok !== true);
  return unread?.setting ?? null;
}

function trouble(kind: SecretTrouble['kind'], detail: string): SecretTrouble {
  return unreadable(kind, detail).trouble;
}
