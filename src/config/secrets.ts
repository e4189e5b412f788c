// Values that must never be shown. A Secret prints as [secret] wherever it is printed, inspected or serialised;
// only the driver that needs the value calls reveal().
import { inspect } from 'node:util';

export const MASK = '[secret]';

export class Secret<T = string> {
  readonly #value: T;

  constructor(value: T) {
    this.#value = value;
  }

  /** The value itself, for the one call that needs it. Never for a message. */
  reveal(): T {
    return this.#value;
  }

  toString(): string {
    return MASK;
  }

  toJSON(): string {
    return MASK;
  }

  [inspect.custom](): string {
    return MASK;
  }
}
