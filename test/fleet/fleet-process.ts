// One process of a fleet: started, killed and started again; posts go to it while it is up.
import { type ServiceProcess, startService } from '../../sandbox/service-process.ts';
import { isAlive } from '../is-alive.ts';

interface FleetProcessOptions {
  readonly settings: Readonly<Record<string, string>>;
  readonly folder: string;
  /** Told of a process that ended without being asked to. */
  readonly onDied: (why: string) => void;
}

export class FleetProcess {
  readonly #options: FleetProcessOptions;
  #service: ServiceProcess | null = null;

  constructor(options: FleetProcessOptions) {
    this.#options = options;
  }

  get isUp(): boolean {
    return this.#service !== null;
  }

  /** Resolves when it is ready. A start that fails while the database is down is tried again, as a supervisor does. */
  async start(): Promise<void> {
    const { settings, folder } = this.#options;
    for (let tries = 0; this.#service === null; tries += 1) {
      try {
        this.#service = await startService({
          settings,
          port: 0,
          apiKey: 'none needed on loopback',
          folder,
          onLog: () => {},
        });
      } catch (error) {
        if (tries === 5) throw error;
      }
    }
  }

  /** Null where there was no answer. */
  async post(path: string, body: unknown): Promise<{ status: number; body: unknown } | null> {
    return (await this.#service?.post(path, body).catch(() => null)) ?? null;
  }

  /** SIGKILL. */
  async kill(): Promise<void> {
    const service = this.#taken();
    await service?.kill();
  }

  /** SIGTERM; the exit code, 0 where it is down. */
  async stop(): Promise<number | null> {
    const service = this.#taken();
    return service === null ? 0 : service.stop();
  }

  #taken(): ServiceProcess | null {
    const service = this.#service;
    this.#service = null;
    if (service !== null && !isAlive(service.pid))
      this.#options.onDied(`a process ended by itself:\n${service.logLines.slice(-20).join('\n')}`);
    return service;
  }
}
