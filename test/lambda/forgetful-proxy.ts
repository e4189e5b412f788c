// A way to a server that forgets connections, as networks do while a function is frozen: no side is told, and whoever
// uses such a connection again is answered with a reset.
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

export interface ForgetfulProxy {
  readonly url: string;
  /** From now on the connections that are open are dead, without a sign. Returns how many there are. */
  forget(): number;
  close(): Promise<void>;
}

/** Starts a way on a free port to the server at `url`. */
export async function startForgetfulProxy(url: string): Promise<ForgetfulProxy> {
  const { hostname, port } = new URL(url);
  const alive = new Set<Socket>();
  const all = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(Number(port), hostname);
    alive.add(client);
    for (const socket of [client, upstream]) {
      all.add(socket);
      socket.on('error', () => {});
      socket.once('close', () => all.delete(socket));
    }
    client.once('close', () => alive.delete(client));
    client.on('data', (bytes) => {
      if (alive.has(client)) upstream.write(bytes);
      else client.resetAndDestroy();
    });
    // The end of the other side does not get through either.
    upstream.on('data', (bytes) => void (alive.has(client) && client.write(bytes)));
    upstream.once('close', () => void (alive.has(client) && client.destroy()));
    client.once('close', () => upstream.destroy());
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    forget: () => {
      const count = alive.size;
      alive.clear();
      return count;
    },
    close: async () => {
      for (const socket of all) socket.destroy();
      await new Promise((resolve) => {
        server.close(resolve);
      });
    },
  };
}
