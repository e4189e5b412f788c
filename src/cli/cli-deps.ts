// What the commands need from the process and from the configuration. main fills it in; tests fill in their own.
import type { Rule } from '../core/rule.ts';
import type { DoctorParts } from '../doctor/doctor-parts.ts';
import type { ApplyParts } from '../setup/apply-notifications.ts';
import type { ExitCode } from './exit-codes.ts';

export interface TextSink {
  write(text: string): unknown;
}

interface Problem {
  readonly setting: string;
  readonly found: string | null;
  readonly reason: string;
  readonly fix: string;
}

/** The part of a valid configuration that is told beside the settings: what follows from them together. */
export interface ShownConfig {
  readonly rules: readonly Rule[];
  readonly source: {
    readonly region: string;
    readonly endpoint: string | null;
    readonly credentials: string;
  };
  readonly target: { readonly endpoint: string | null; readonly credentials: string };
  readonly http: {
    readonly host: string;
    readonly port: number;
    readonly auth: { readonly kind: string };
  };
  readonly intake: {
    readonly sqs: { readonly queueUrl: string; readonly region: string } | null;
  };
  readonly transfer: { readonly maxMemoryBytes: number };
  readonly log: { readonly format: string };
}

/** The configuration as it may be shown: no secret is in it but behind types that do not print. */
export type ConfigReport = {
  readonly settings: readonly {
    readonly name: string;
    readonly shown: string;
    readonly origin: string;
    readonly usedName: string | null;
  }[];
  readonly warnings: readonly { readonly setting: string; readonly message: string }[];
} & (
  | { readonly kind: 'ok'; readonly config: ShownConfig }
  | { readonly kind: 'invalid'; readonly problems: readonly Problem[] }
);

/** Where the running service is and the key to show it. */
type ClientSettings =
  | { readonly kind: 'ok'; readonly url: string; readonly apiKey: { reveal(): string } | null }
  | { readonly kind: 'invalid'; readonly problems: readonly Problem[] };

export const KEY_SCOPES = ['write', 'read', 'admin'] as const;

export type KeyScope = (typeof KEY_SCOPES)[number];

export interface CliDeps {
  /** The arguments behind the command's own name. */
  readonly args: readonly string[];
  readonly version: string;
  readonly stdout: TextSink;
  readonly stderr: TextSink;
  /** Aborted by Ctrl-C. */
  readonly signal: AbortSignal;
  /** Both may have to fetch secrets first. */
  readonly loadConfig: () => ConfigReport | Promise<ConfigReport>;
  readonly loadClient: () => ClientSettings | Promise<ClientSettings>;
  readonly formatProblems: (problems: readonly Problem[]) => string;
  readonly createApiKey: (request: { readonly scope: KeyScope; readonly id: string }) => {
    readonly key: string;
    readonly entry: string;
  };
  /**
   * Opens what `setup` works with. The configuration has to be valid. `profile`: of the shared configuration files of
   * AWS, in the place of the credentials of the settings; null: those.
   */
  readonly openSetup: (profile: string | null) => Promise<ApplyParts & Disposable>;
  /** Opens what `doctor` asks. The configuration has to be valid. */
  readonly openDoctor: () => Promise<DoctorParts & AsyncDisposable>;
  /** Runs the service, or one part of it beside others on one database, until it is stopped. */
  readonly serve: (part: 'all' | 'intake' | 'attempts') => Promise<unknown>;
  /** Runs a worker without a database until it is stopped. */
  readonly work: () => Promise<unknown>;
}

/** A command tells by this how it ended; without it, it ended well. */
export type EndWith = (exitCode: ExitCode) => void;
