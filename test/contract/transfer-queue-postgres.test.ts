// The PostgreSQL queue under the contract, each test in a schema of its own.
import { onPostgres } from '../postgres-server.ts';
import { openPostgresOnClock } from './postgres-on-clock.ts';
import { transferQueueContract } from './transfer-queue.contract.ts';

onPostgres((server) => {
  transferQueueContract('PostgreSQL', (clock) => openPostgresOnClock(server, clock));
});
