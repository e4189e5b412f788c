// The PostgreSQL queue under the contract, each test in a schema of its own.
import { after } from 'node:test';
import { startPostgresServer } from '../postgres-server.ts';
import { openPostgresOnClock } from './postgres-on-clock.ts';
import { transferQueueContract } from './transfer-queue.contract.ts';

const server = await startPostgresServer();

after(() => server.close());

transferQueueContract('PostgreSQL', (clock) => openPostgresOnClock(server, clock));
