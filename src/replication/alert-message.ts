// The messages: one JSON object with flat fields, whose `text` alone says everything to a person, as chat services
// show it.
import type { Alert, AlertMessage } from '../core/alert.ts';
import type { Remembered } from './alert-memory.ts';

/** What every message says of the service. `url`: where the live page is; null where nobody said. */
export interface ServiceFacts {
  readonly version: string;
  readonly url: string | null;
}

/** The message that is due for a remembered trouble. */
export function messageOf(remembered: Remembered, service: ServiceFacts, nowMs: number): AlertMessage {
  const { alert, state, goneAtMs, sentCount } = remembered;
  const isOver = state === 'ended';
  const untilMs = isOver ? (goneAtMs ?? nowMs) : null;
  const status = isOver ? 'resolved' : 'firing';
  return {
    text: forChat(textOf(alert, untilMs, sentCount, service)),
    status,
    id: [alert.key, iso(alert.sinceMs), isOver ? status : sentCount + 1].join('/'),
    key: alert.key,
    kind: alert.kind,
    rule: alert.ruleName,
    fault: alert.faultCode,
    store: alert.store,
    title: alert.title,
    detail: alert.detail,
    remedy: alert.remedy,
    count: alert.count,
    since: iso(alert.sinceMs),
    until: untilMs === null ? null : iso(untilMs),
    sentCount: isOver ? sentCount : sentCount + 1,
    version: service.version,
    url: service.url,
    sentAt: iso(nowMs),
  };
}

/** A message that only shows that messages arrive. */
export function testMessage(service: ServiceFacts, nowMs: number): AlertMessage {
  const title = 'This is a test';
  const detail = 'Alerts of this service arrive here.';
  return {
    text: forChat(`Replicator: ${title}. ${detail}${linkOf(service)}`),
    status: 'test',
    id: `test/${iso(nowMs)}`,
    key: 'test',
    kind: 'test',
    title,
    detail,
    version: service.version,
    url: service.url,
    sentAt: iso(nowMs),
  };
}

function textOf(alert: Alert, untilMs: number | null, sentCount: number, service: ServiceFacts): string {
  const { title, detail, remedy, sinceMs } = alert;
  const since = iso(sinceMs);
  if (untilMs !== null) {
    const untold = sentCount === 0 ? ' It could not be told while it lasted.' : '';
    return `Replicator, resolved: ${title}. From ${since} to ${iso(untilMs)}.${untold}${linkOf(service)}`;
  }
  const still = sentCount > 0 ? ', still' : '';
  return `Replicator${still}: ${title}. ${detail} What to do: ${remedy} Since ${since}.${linkOf(service)}`;
}

function linkOf({ url }: ServiceFacts): string {
  return url === null ? '' : ` ${url}`;
}

/** Chat services read these three characters as markup, and show what they stand for here. */
function forChat(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}
