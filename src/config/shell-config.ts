// The configuration of shells that work straight from messages and keep nothing themselves: the worker without a
// database, and the function that replicates. The table is that of the service; what such a shell cannot do is refused.
import type { Rule } from '../core/rule.ts';
import { checkEndpoint } from './config-endpoint.ts';
import type { Config } from './config.ts';
import type { Findings } from './findings.ts';
import { type ConfigSources, loadConfig, type LoadedConfig } from './load-config.ts';
import type { MachineFacts } from './machine-facts.ts';
import { quoteText, showFound } from './problem.ts';
import { isGiven, type SettingsReading } from './read-settings.ts';
import type { Secret } from './secrets.ts';

/** The service that takes over what such a shell cannot do, and how it is asked. */
export interface ServiceAccess {
  /** Its base address. */
  readonly url: string;
  /** Null where it is called without a key. */
  readonly apiKey: Secret | null;
  /** Signs the calls, instead of the key; null where nothing is signed. */
  readonly webhookSecret: Secret<Uint8Array> | null;
}

/** `service`: null where none is named. `isPortGiven`: somebody wants to ask the process for its health. */
export type LoadedShellConfig =
  | (Extract<LoadedConfig, { kind: 'ok' }> & {
      readonly service: ServiceAccess | null;
      readonly isPortGiven: boolean;
    })
  | Extract<LoadedConfig, { kind: 'invalid' }>;

/** As `loadConfig`, with the further checks of these shells. */
export function loadShellConfig(request: ConfigSources & MachineFacts): LoadedShellConfig {
  let service: ServiceAccess | null = null;
  let isPortGiven = false;
  const loaded = loadConfig(request, (reading, config, findings) => {
    service = serviceAccess(reading, findings);
    isPortGiven = isGiven(reading, 'PORT');
    refuseFifo(config, findings);
    refuseMirror(config, reading, findings);
  });
  return loaded.kind === 'invalid' ? loaded : { ...loaded, service, isPortGiven };
}

/** Only a service that was named takes anything over: the default of the commands is this very machine. */
function serviceAccess(reading: SettingsReading, findings: Findings): ServiceAccess | null {
  if (!isGiven(reading, 'REPLICATOR_URL')) return null;
  const { REPLICATOR_URL: url, REPLICATOR_API_KEY: apiKey } = reading.values;
  checkEndpoint('REPLICATOR_URL', url, reading, findings);
  return { url, apiKey, webhookSecret: reading.values.REPLICATOR_WEBHOOK_SECRET };
}

function refuseFifo({ intake }: Config, findings: Findings): void {
  if (intake.sqs?.queueUrl.endsWith('.fifo') !== true) return;
  findings.refuse(
    'SQS_QUEUE_URL',
    showFound(intake.sqs.queueUrl, false),
    'is a FIFO queue: it takes no delay for a single message, and a look that is due later needs one',
    'use a standard queue; order does not matter',
  );
}

/** The brake has to count the deletes of all processes together, and to remember what a person decided. */
function refuseMirror({ rules, storage }: Config, reading: SettingsReading, findings: Findings): void {
  const mirroring = rules.filter(({ deletes }: Rule) => deletes === 'mirror');
  if (mirroring.length === 0 || storage.kind === 'postgres') return;
  const isByFile = isGiven(reading, 'REPLICATOR_CONFIG');
  const names = mirroring.map(({ name }) => quoteText(name)).join(', ');
  findings.refuse(
    isByFile ? 'REPLICATOR_CONFIG' : 'DELETES',
    isByFile ? `deletes mirrored by ${names}` : '"mirror"',
    'mirrored deletes need a database here: the brake on them has to be shared and to be remembered',
    'set DATABASE_URL, set deletes to ignore, or let a service do it',
  );
}
