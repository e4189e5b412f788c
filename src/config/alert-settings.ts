// The settings of alerting: a part of the table in settings.ts. The address is a secret: who has it can post there.
import { Secret } from './secrets.ts';
import { optional, type Setting, withDefault } from './setting.ts';
import { accept, type Parse, refuse, secondsAsMs } from './setting-parsers.ts';

const ADDRESS_FIX = 'set it to the whole address that the receiver gave you, such as https://host/path';

const webhookAddress: Parse<Secret> = (text) => {
  if (!URL.canParse(text)) return refuse('is not a URL', ADDRESS_FIX);
  const url = new URL(text);
  if (url.protocol !== 'https:' && url.protocol !== 'http:')
    return refuse('is not an http or https URL', ADDRESS_FIX);
  if (url.username !== '' || url.password !== '')
    return refuse('carries a user name or password', ADDRESS_FIX);
  return accept(new Secret(url.href));
};

/** All of an address that may be shown. */
function originOf(text: string): string {
  return URL.canParse(text) ? new URL(text).origin : '';
}

/** A part of the table in settings.ts. */
export const ALERT_SETTINGS = {
  ALERT_WEBHOOK_URL: optional(webhookAddress, {
    section: 'alerts',
    help: 'Address that gets a message when something is wrong, each day while it lasts, and when it is over: an incoming webhook of Slack or anything that takes JSON by POST. https, or http to this machine.',
    defaultText: 'none: alerts are logged and listed by /v1/alerts only',
    example: '',
    isSecret: true,
    show: (text) => `${originOf(text)}/[secret]`,
  }),
  LAG_OBJECTIVE_SEC: withDefault(secondsAsMs(1, 7 * 24 * 60 * 60), 900_000, {
    section: 'alerts',
    help: 'Seconds within which 99.99 % of the changes are to be at the target. There is an alert when the oldest change that waits is older, or when more than 0.01 % of those of the last 24 hours took longer.',
    defaultText: '900 (15 minutes)',
    example: '900',
  }),
} as const satisfies Record<string, Setting<unknown>>;
