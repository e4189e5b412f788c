// A network of its own for a server that cannot be told to listen on loopback only: Linux network namespaces, with a
// Unix socket as the one way in, and a loopback port out here that leads to it.
import { execFile } from 'node:child_process';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** With its own process numbers, so that the end of the wrapper is the end of everything in there. */
const UNSHARE = ['--net', '--pid', '--fork', '--kill-child', '--mount-proc'];

function unshareArguments(): readonly string[] {
  return process.getuid?.() === 0 ? UNSHARE : ['--map-root-user', ...UNSHARE];
}

/** Why this machine can make no such network, or null. */
export async function ownNetworkProblem(): Promise<string | null> {
  if (process.platform !== 'linux') return 'only Linux has network namespaces';
  try {
    await run('unshare', [...unshareArguments(), 'ip', 'link', 'set', 'lo', 'up'], { timeout: 20_000 });
    return null;
  } catch (error) {
    return error instanceof Error ? error.message.trim() : String(error);
  }
}

/** The command that runs `command` in a network of its own, its `port` reachable by the Unix socket. */
export function ownNetworkWrapper(
  socketPath: string,
  port: number,
  command: readonly string[],
): { readonly file: string; readonly args: readonly string[] } {
  const inside = [
    process.execPath,
    join(import.meta.dirname, 'isolated-server.ts'),
    socketPath,
    String(port),
  ];
  return { file: 'unshare', args: [...unshareArguments(), ...inside, ...command] };
}

/** Listens on the loopback port out here and carries each connection to the Unix socket. */
export async function openWayIn(socketPath: string, port: number): Promise<{ close(): Promise<void> }> {
  const open = new Set<Socket>();
  const server = createServer((outer) => {
    const inner = connect(socketPath);
    outer.pipe(inner).pipe(outer);
    for (const [socket, other] of [
      [outer, inner],
      [inner, outer],
    ] as const) {
      open.add(socket);
      socket.on('error', () => other.destroy());
      socket.on('close', () => {
        open.delete(socket);
        other.destroy();
      });
    }
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  const close = async (): Promise<void> => {
    const closed = new Promise((resolve) => {
      server.close(resolve);
    });
    for (const socket of open) socket.destroy();
    await closed;
  };
  return { close };
}
