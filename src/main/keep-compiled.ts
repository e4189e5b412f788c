// What Node makes of the sources at a start is kept for the next one: half of the time that a start takes is compiling.
import { enableCompileCache } from 'node:module';
import { join } from 'node:path';

/**
 * Covers what is imported from now on. It lies beside the packages, which only the owner of the installation may write:
 * in a folder of temporary files others could put their own code in its place. Where that cannot be written nothing is
 * kept, and nothing else changes.
 */
export function keepCompiled(): void {
  enableCompileCache(join(import.meta.dirname, '../../node_modules/.cache/compiled'));
}
