// The delete brake of shells that keep nothing themselves: shared with a service, and with all others of them, through
// its database. Where no rule mirrors deletes there is none, and nothing of the database is loaded.
import type { Config, Secrets } from '../config/config.ts';
import type { Clock } from '../core/clock.ts';
import type { Happenings } from '../core/happenings.ts';
import { DeleteBrake } from '../replication/delete-brake.ts';
import type { Stores } from '../replication/copy-object.ts';

export interface OpenBrake {
  readonly brake: Stores['deleteBrake'];
  close(): Promise<void>;
}

const NO_BRAKE: OpenBrake = {
  brake: {
    ask: async ({ rule }) => Promise.reject(new Error(`The rule ${rule.name} mirrors no deletes`)),
    objectAppeared: () => {},
  },
  close: async () => {},
};

/**
 * Opens the brake of a configuration that `loadShellConfig` has accepted. Rejects with an Error that names the database,
 * the reason and the remedy.
 */
export async function openShellBrake(options: {
  readonly config: Pick<Config, 'rules'>;
  readonly secrets: Pick<Secrets, 'databaseUrl'>;
  readonly clock: Clock;
  readonly happenings: Pick<Happenings, 'brakeTripped' | 'workerTroubled'>;
}): Promise<OpenBrake> {
  const { config, secrets, clock, happenings } = options;
  const url = secrets.databaseUrl;
  if (url === null || config.rules.every(({ deletes }) => deletes === 'ignore')) return NO_BRAKE;
  const { openPostgresNotes } = await import('../queues/postgres/open-postgres-notes.ts');
  const opened = await openPostgresNotes({ url: url.reveal(), clock });
  const brake = new DeleteBrake({ notes: opened.notes, clock, happenings });
  return {
    brake,
    close: async () => {
      await brake.close();
      await opened.close();
    },
  };
}
