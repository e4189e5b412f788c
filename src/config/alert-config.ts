// Where alerts may be sent: not over a network that everybody can read, unless that was allowed.
import type { Findings } from './findings.ts';
import type { SettingsReading } from './read-settings.ts';
import { isLoopbackHost } from './setting-parsers.ts';

/** Plain http carries the address, which is a secret, over the network: only where that was allowed. */
export function checkAlertAddress({ values }: Pick<SettingsReading, 'values'>, findings: Findings): void {
  const address = values.ALERT_WEBHOOK_URL?.reveal() ?? null;
  if (address === null || !address.startsWith('http:')) return;
  const { hostname, origin } = new URL(address);
  if (isLoopbackHost(hostname)) return;
  if (values.REPLICATOR_ALLOW_INSECURE_ENDPOINTS)
    findings.warn(
      'ALERT_WEBHOOK_URL',
      `is plain http: alerts and the address travel unencrypted to ${origin}`,
    );
  else
    findings.refuse(
      'ALERT_WEBHOOK_URL',
      null,
      'is plain http to another machine',
      'use https, or accept it with REPLICATOR_ALLOW_INSECURE_ENDPOINTS=1',
    );
}
