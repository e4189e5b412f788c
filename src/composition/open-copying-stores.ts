// Opens all that a process on a machine of its own copies with: both stores, the checksums, the memory for parts. A
// function at a host that runs it brings its own: it carries no native module.
import type { CredentialsProvider } from '../aws/credentials.ts';
import { openChecksumEngine } from '../checksums/native-checksums.ts';
import type { Config } from '../config/config.ts';
import { ByteBudget } from '../replication/byte-budget.ts';
import type { Stores } from '../replication/copy-object.ts';
import { effectDeadlineOf, openSource, openTarget, type StoresRequest } from './open-stores.ts';

/**
 * Both stores and what goes with them; they close with `opened`. The brake on deletes is the caller's. `looks`:
 * connections beside those of transfers; `graceMs`: the settle grace as this process can wait for it.
 */
export async function openCopyingStores(
  request: StoresRequest & { readonly config: Pick<Config, 'transfer'> },
  parts: { readonly credentials: CredentialsProvider; readonly looks: number; readonly graceMs: number },
  opened: AsyncDisposableStack,
): Promise<Omit<Stores, 'deleteBrake'>> {
  const { clock, config } = request;
  const { transfer } = config;
  // Every running transfer has at most one request at each side.
  const connections = transfer.maxConcurrency + parts.looks;
  const source = await openSource(request, parts.credentials, connections);
  opened.defer(async () => source.close());
  const target = await openTarget(request, connections);
  opened.defer(async () => target.close());
  return {
    source,
    target,
    checksums: openChecksumEngine(),
    clock,
    byteBudget: new ByteBudget(transfer.maxMemoryBytes),
    chunkBytes: transfer.chunkBytes,
    effectDeadlineMs: effectDeadlineOf(parts.graceMs),
  };
}
