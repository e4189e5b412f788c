// How the commands print: results on stdout, everything else on stderr, and no character of a foreign name that
// could steer the terminal.
import type { TextSink } from './cli-deps.ts';

/** One JSON document and a line break. Controls that JSON leaves as they are become escapes: the same value. */
export function printJson(sink: TextSink, value: unknown): void {
  sink.write(`${JSON.stringify(value, null, 2).replace(BEYOND_ASCII_CONTROLS, unicodeEscape)}\n`);
}

export function printLine(sink: TextSink, line: string): void {
  sink.write(`${line}\n`);
}

const BEYOND_ASCII_CONTROLS = /[\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

function unicodeEscape(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

/** A name or message from elsewhere with every control character shown as its escape. */
export function safeText(text: string): string {
  return JSON.stringify(text)
    .slice(1, -1)
    .replaceAll(/\\(["\\])/g, '$1')
    .replace(BEYOND_ASCII_CONTROLS, unicodeEscape);
}

/** Rows under headings, columns aligned. Cells are made safe here. */
export function printTable(
  sink: TextSink,
  headings: readonly string[],
  rows: readonly (readonly string[])[],
): void {
  const safeRows = rows.map((row) => row.map(safeText));
  const widths = headings.map((heading, column) =>
    Math.max(heading.length, ...safeRows.map((row) => row[column]?.length ?? 0)),
  );
  for (const row of [headings, ...safeRows]) {
    const cells = row.map((cell, column) => cell.padEnd(widths[column] ?? 0));
    printLine(sink, cells.join('  ').trimEnd());
  }
}

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];

/** Bytes for people: `8.0 MiB`. */
export function showBytes(bytes: number): string {
  const power = bytes < 1 ? 0 : Math.min(UNITS.length - 1, Math.floor(Math.log2(bytes) / 10));
  const value = bytes / 1024 ** power;
  return `${power === 0 ? value : value.toFixed(1)} ${UNITS[power] ?? 'B'}`;
}
