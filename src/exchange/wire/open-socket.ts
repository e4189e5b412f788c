// A connection to an origin, plain or TLS, and how long it may take. Reads land in memory of the caller's choosing.
import { connect as connectPlain, isIP, type OnReadOpts, type Socket } from 'node:net';
import { connect as connectTls, createSecureContext, type SecureContext } from 'node:tls';

export interface Origin {
  readonly isSecure: boolean;
  /** Without brackets. */
  readonly hostname: string;
  readonly port: number;
  /** For the header `host`. */
  readonly host: string;
}

/** What further connections to the same origin need not do again: read the roots, shake hands in full. */
export interface TlsMemory {
  context: SecureContext | null;
  session: Buffer | null;
}

/** Throws a TypeError where it is no address. */
export function parseOrigin(origin: string): Origin {
  const { protocol, hostname, port, host } = new URL(origin);
  const isSecure = protocol === 'https:';
  const bare = hostname.startsWith('[') ? hostname.slice(1, -1) : hostname;
  return { isSecure, hostname: bare, port: port === '' ? (isSecure ? 443 : 80) : Number(port), host };
}

/**
 * `space`: where the next read is to land; `landed`: how many bytes did. `ready` is called once the connection can be
 * written to. Errors are events of the socket.
 */
export function openSocket(
  origin: Origin,
  memory: TlsMemory,
  reads: { readonly space: () => Buffer; readonly landed: (bytes: number) => void },
  ready: () => void,
): Socket {
  const onread: OnReadOpts = {
    buffer: () => reads.space(),
    callback: (bytes) => {
      reads.landed(bytes);
      return true;
    },
  };
  const { hostname, port, isSecure } = origin;
  const where = {
    host: hostname,
    port,
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: 60_000,
    onread,
  };
  if (!isSecure) return connectPlain(where, ready);
  memory.context ??= createSecureContext();
  const socket = connectTls(
    {
      ...where,
      secureContext: memory.context,
      // An address has no name to ask for; it is still what the certificate must be for.
      servername: isIP(hostname) === 0 ? hostname : '',
      ALPNProtocols: ['http/1.1'],
      ...(memory.session === null ? {} : { session: memory.session }),
    },
    ready,
  );
  socket.on('session', (session) => {
    memory.session = session;
  });
  return socket;
}
