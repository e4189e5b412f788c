// Where requests with credentials may go: not over a network that everybody can read, unless that was allowed.
import type { Findings } from './findings.ts';
import { quoteText } from './problem.ts';
import type { SettingsReading } from './read-settings.ts';
import { isLoopbackHost } from './setting-parsers.ts';
import type { SettingName } from './settings.ts';

/** Plain http leaves this machine only where that was allowed, and is then said. */
export function checkEndpoint(
  setting: SettingName,
  endpoint: string | null,
  reading: SettingsReading,
  findings: Findings,
): void {
  if (endpoint === null || !endpoint.startsWith('http:') || isLoopbackHost(new URL(endpoint).hostname))
    return;
  if (reading.values.REPLICATOR_ALLOW_INSECURE_ENDPOINTS)
    findings.warn(setting, `is plain http: objects and credentials travel unencrypted to ${endpoint}`);
  else
    findings.refuse(
      setting,
      quoteText(endpoint),
      'is plain http to another machine',
      'use https, or accept it with REPLICATOR_ALLOW_INSECURE_ENDPOINTS=1',
    );
}
