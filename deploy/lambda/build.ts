// `npm run build:lambda`: both Lambda functions as archives below dist/lambda, with their sizes. The forwarder must stay
// tiny and must not need a package; the replicator carries the whole core, and is still far below Lambda's limits.
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundleFunction, type BuiltFunction, type FunctionPlan } from './bundle-function.ts';

const KIB = 1024;

const FORWARD: FunctionPlan = {
  name: 'forward',
  entry: 'src/main/lambda-forward.ts',
  mayUsePackages: false,
  maxBundleBytes: 20 * KIB,
  maxZipBytes: 20 * KIB,
};

const REPLICATE: FunctionPlan = {
  name: 'replicate',
  entry: 'src/main/lambda-replicate.ts',
  mayUsePackages: true,
  maxBundleBytes: 5 * KIB * KIB,
  maxZipBytes: 5 * KIB * KIB,
};

/** Builds `forward/index.mjs` and `forward.zip` below `outDir`. */
export async function buildForwarder(outDir: string): Promise<BuiltFunction> {
  return bundleFunction(FORWARD, outDir);
}

/** Builds `replicate/index.mjs` and `replicate.zip` below `outDir`. */
export async function buildReplicator(outDir: string): Promise<BuiltFunction> {
  return bundleFunction(REPLICATE, outDir);
}

if (import.meta.main) {
  const outDir = join(fileURLToPath(new URL('../../', import.meta.url)), 'dist', 'lambda');
  for (const { file, bytes, zipFile, zipBytes } of [
    await buildForwarder(outDir),
    await buildReplicator(outDir),
  ])
    process.stdout.write(`${file}  ${bytes} bytes\n${zipFile}  ${zipBytes} bytes\n`);
}
