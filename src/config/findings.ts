// Collects what is wrong and what is doubtful while a configuration is put together, so that all of it is reported
// at once.
import type { ConfigProblem, ConfigWarning } from './problem.ts';

export class Findings {
  readonly #problems: ConfigProblem[] = [];
  readonly #warnings: ConfigWarning[] = [];

  get problems(): readonly ConfigProblem[] {
    return this.#problems;
  }

  get warnings(): readonly ConfigWarning[] {
    return this.#warnings;
  }

  /** `found` null: nothing is set. It must hold no secret. */
  refuse(setting: string, found: string | null, reason: string, fix: string): void {
    this.#problems.push({ setting, found, reason, fix });
  }

  warn(setting: string, message: string): void {
    this.#warnings.push({ setting, message });
  }
}
