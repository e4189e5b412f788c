// The settings of proxies towards both stores, by the names that other programs read: a part of the table in settings.ts.
// An address is a secret: it may carry a password.
import { Secret } from './secrets.ts';
import { optional, type Setting, withDefault } from './setting.ts';
import { accept, type Parse, plainText, refuse, withScheme } from './setting-parsers.ts';

const ADDRESS_FIX = 'set it to scheme, host and port, such as http://user:password@proxy.example.com:3128';

function asUrl(text: string): URL | null {
  return URL.parse(withScheme(text));
}

/** `host:port` alone means plain HTTP to the proxy, as every program reads it. */
const proxyAddress: Parse<Secret> = (text) => {
  const url = asUrl(text);
  if (url === null) return refuse('is not a URL', ADDRESS_FIX);
  if (url.protocol !== 'http:' && url.protocol !== 'https:')
    return refuse('is not the address of an http or https proxy', ADDRESS_FIX);
  if (url.pathname !== '/' || url.search !== '' || url.hash !== '')
    return refuse('carries more than scheme, host and port', ADDRESS_FIX);
  return accept(new Secret(url.href));
};

/** All of an address that may be shown. */
function shownOrigin(text: string): string {
  return asUrl(text)?.origin ?? '[secret]';
}

/** A part of the table in settings.ts. */
export const PROXY_SETTINGS = {
  HTTPS_PROXY: optional(proxyAddress, {
    section: 'transfer',
    help: 'A proxy towards S3 and Google Cloud Storage, with a user and a password where it wants them. The requests then go through undici, whatever HTTP_CLIENT says.',
    defaultText: 'none',
    example: 'http://proxy.example.com:3128',
    aliases: ['https_proxy'],
    isSecret: true,
    show: shownOrigin,
  }),
  HTTP_PROXY: optional(proxyAddress, {
    section: 'transfer',
    help: 'The same for endpoints without TLS, and for those with TLS where HTTPS_PROXY is not set.',
    defaultText: 'none',
    example: '',
    aliases: ['http_proxy'],
    isSecret: true,
    show: shownOrigin,
  }),
  NO_PROXY: withDefault(plainText, '', {
    section: 'transfer',
    help: 'Hosts that no proxy is used for: names, with a leading dot for everything below them, addresses, a port behind a colon, separated by commas.',
    defaultText: 'none',
    example: 'localhost,.internal.example.com',
    aliases: ['no_proxy'],
  }),
} as const satisfies Record<string, Setting<unknown>>;
