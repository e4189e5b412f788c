// The log as lines of JSON, written without a library: it is on the way of every object, and in a function every package
// costs time at each cold start.
import { escapeJsonLine, maskSecretTexts, safeFields } from './log-safety.ts';
import type { Logger, LoggerOptions } from './logger.ts';

/** From the least severe on. */
const LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const;

/** A logger in the format json. `write` takes finished text, line break included; `nowMs`: the wall clock. */
export function createJsonLogger(
  options: Pick<LoggerOptions, 'level' | 'write'> & { readonly nowMs: () => number },
): Logger {
  const { write, nowMs } = options;
  const least = LEVELS.indexOf(options.level);
  const at = (level: (typeof LEVELS)[number]): Logger['info'] => {
    if (LEVELS.indexOf(level) < least) return () => {};
    return (facts, message) => {
      const time = new Date(nowMs()).toISOString();
      const line = { level, time, ...safeFields({ ...facts }), msg: maskSecretTexts(message) };
      void write(`${escapeJsonLine(jsonOf(line))}\n`);
    };
  };
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error'), fatal: at('fatal') };
}

function jsonOf(line: object): string {
  try {
    return JSON.stringify(line);
  } catch {
    // With a function to ask for each value it takes several times as long.
    return JSON.stringify(line, writable);
  }
}

/** A line must never fail to be written, and JSON refuses whole numbers of this kind. */
function writable(_name: string, value: unknown): unknown {
  return typeof value === 'bigint' ? Number(value) : value;
}
