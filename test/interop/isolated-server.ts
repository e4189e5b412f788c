// Runs inside a network of its own, for a server that listens on every address: it raises the loopback there, starts
// the server and carries connections in from a Unix socket, the only way into that network.
// Arguments: the socket's path, the server's port, then the command.
import { spawn } from 'node:child_process';
import { connect, createServer } from 'node:net';

const [socketPath, port, file, ...args] = process.argv.slice(2);
if (socketPath === undefined || port === undefined || file === undefined)
  throw new Error('Usage: isolated-server.ts SOCKET PORT COMMAND...');

const raised = spawn('ip', ['link', 'set', 'lo', 'up'], { stdio: 'inherit' });
const code = await new Promise<number | null>((resolve, reject) => {
  raised.once('error', reject);
  raised.once('exit', resolve);
});
if (code !== 0) throw new Error(`The loopback could not be raised: ip ended with ${code}`);

const server = spawn(file, args, { stdio: 'inherit' });
server.once('exit', (status) => {
  process.exitCode = status ?? 1;
  entrance.close();
});

const entrance = createServer((incoming) => {
  const inner = connect(Number(port), '127.0.0.1');
  incoming.pipe(inner).pipe(incoming);
  incoming.on('error', () => inner.destroy());
  inner.on('error', () => incoming.destroy());
  incoming.on('close', () => inner.destroy());
  inner.on('close', () => incoming.destroy());
});
entrance.listen(socketPath);
