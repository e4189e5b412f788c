// A process of its own for the queue's tests: opens the queue in the folder it is given, does what it is told,
// prints a line after each accept that resolved, and stays until it is killed. Arguments: mode (accept, hold,
// unprivileged), folder.
import { openSqliteQueue } from '../../src/queues/sqlite/sqlite-queue.ts';
import { ManualClock } from './manual-clock.ts';
import { itemOf, roomFor } from './transfer-queue-samples.ts';

const [, , mode, directory = ''] = process.argv;

// A superuser may write anywhere. Given up only now, when every module is read: the sources may be private.
if (mode === 'unprivileged' && process.getuid?.() === 0) process.seteuid?.(65_534);

try {
  const queue = await openSqliteQueue({
    directory,
    clock: new ManualClock(),
    leaseMs: 30_000,
    settleGraceMs: 120_000,
    maxRetryDelayMs: 300_000,
    smallMaxBytes: 1_000,
    sealer: null,
  });
  process.stdout.write('open\n');
  // Holds the process (and with it the file) until its killer comes.
  const idle = setInterval(() => {}, 60_000);
  if (mode === 'accept') {
    for (let index = 0; ; index += 1) {
      const items = [itemOf(`key-${index}`, { sizeBytes: index })];
      const [accepted] = await queue.accept({ items, quarantine: [] });
      if (index % 10 === 5) await queue.claim(roomFor(1));
      process.stdout.write(`${accepted?.transferId}\n`);
    }
  }
  if (mode === 'unprivileged') {
    clearInterval(idle);
    await queue.close();
  }
} catch (error) {
  process.stdout.write(`refused: ${error instanceof Error ? error.message : String(error)}\n`);
}
