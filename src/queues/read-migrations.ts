// The numbered schema files of a driver. A file once released never changes; a new one is added.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The texts in the order of their numbers, which count from 1 without a gap. */
export function readMigrations(directory: string): string[] {
  const names = readdirSync(directory)
    .filter((name) => name.endsWith('.sql'))
    .sort();
  return names.map((name, index) => {
    if (Number.parseInt(name, 10) !== index + 1) {
      throw new Error(`Migration ${name} in ${directory} should have number ${index + 1}`);
    }
    return readFileSync(join(directory, name), 'utf8');
  });
}
