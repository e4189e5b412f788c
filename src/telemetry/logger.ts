// The log: one line for one thing that happened, as JSON for machines or readable for people. Every line passes
// through log-safety, whoever wrote it.
import { pino } from 'pino';
import { prettyFactory } from 'pino-pretty';
import { escapeJsonLine, maskSecretTexts, safeFields, showEscapes } from './log-safety.ts';

/** Facts first, then the sentence. An error goes under the name `err`. */
export interface Logger {
  debug(facts: object, message: string): void;
  info(facts: object, message: string): void;
  warn(facts: object, message: string): void;
  error(facts: object, message: string): void;
  fatal(facts: object, message: string): void;
}

export interface LoggerOptions {
  /** The least severe level that is written. */
  readonly level: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal';
  readonly format: 'json' | 'pretty';
  /** Takes finished text, line break included. */
  readonly write: (text: string) => unknown;
  /** Colours in the pretty format. */
  readonly isColored: boolean;
}

export function createLogger(options: LoggerOptions): Logger {
  const { level, format, write, isColored } = options;
  const toPeople = format === 'pretty' ? prettyPrinter(isColored) : null;
  return pino(
    {
      level,
      // Host name and process id are what every log collector adds by itself.
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      // Errors are described already, where their texts are masked.
      serializers: { err: (described: unknown) => described },
      formatters: { level: (label) => ({ level: label }), log: safeFields },
      hooks: {
        logMethod([facts, message], method) {
          method.call(this, facts, typeof message === 'string' ? maskSecretTexts(message) : message);
        },
      },
    },
    {
      write: (line: string) => {
        void write(toPeople === null ? escapeJsonLine(line) : toPeople(showEscapes(line)));
      },
    },
  );
}

function prettyPrinter(isColored: boolean): (line: string) => string {
  return prettyFactory({
    colorize: isColored,
    singleLine: true,
    translateTime: 'SYS:HH:MM:ss.l',
    messageFormat: (log, messageKey) => {
      const { bucket, key } = log;
      const message = String(log[messageKey]);
      return typeof bucket === 'string' && typeof key === 'string' ? `${message}  ${bucket}/${key}` : message;
    },
    // Said in the message already.
    ignore: 'bucket,key',
    errorLikeObjectKeys: ['err'],
    customPrettifiers: { err: (value) => showError(value) },
  });
}

function showError(value: unknown): string {
  if (typeof value !== 'object' || value === null) return String(value);
  const fields = new Map<string, unknown>(Object.entries(value));
  const stack = fields.get('stack');
  const lines = Array.isArray(stack) ? stack.map((line) => `    ${String(line)}`) : [];
  const first = `${String(fields.get('type'))}: ${String(fields.get('message'))}`;
  const cause = fields.get('cause');
  const causes = cause === undefined ? [] : [`  caused by ${showError(cause)}`];
  return [first, ...lines, ...causes].join('\n');
}
