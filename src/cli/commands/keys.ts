// replicator keys create: a new key for callers of the API. It is printed once and kept nowhere.
import type { CliDeps, KeyScope } from '../cli-deps.ts';
import { CliFailure, EXIT } from '../exit-codes.ts';
import { printJson, printLine } from '../output.ts';

export function createKey(
  options: { readonly scope: KeyScope; readonly id: string; readonly json: boolean },
  deps: CliDeps,
): void {
  const { scope, id } = options;
  const { key, entry } = tryCreate(options, deps);
  if (options.json) {
    printJson(deps.stdout, { scope, id, key, entry });
    return;
  }
  printLine(deps.stderr, 'The key, shown only now; give it to the caller:');
  printLine(deps.stdout, key);
  printLine(deps.stderr, 'Its entry, to be added to REPLICATOR_API_KEYS of the service:');
  printLine(deps.stdout, entry);
}

function tryCreate(
  request: { readonly scope: KeyScope; readonly id: string },
  deps: CliDeps,
): { readonly key: string; readonly entry: string } {
  try {
    return deps.createApiKey(request);
  } catch (error) {
    if (error instanceof RangeError) throw new CliFailure(EXIT.usage, 'invalid_key_id', `${error.message}.`);
    throw error;
  }
}
