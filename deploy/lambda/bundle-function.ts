// Bundles one Lambda function and packs it. Everything the function needs is in the bundle; what is not, or what makes
// it larger than it may be, fails the build. What is loaded late by the code becomes a file of its own, so that a start
// reads only what it needs.
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { isBuiltin } from 'node:module';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, type Metafile } from 'esbuild';
import { packZip, type ZipEntry } from './zip-archive.ts';

export interface FunctionPlan {
  /** Name of the folder and of the archive. */
  readonly name: string;
  /** The entry that exports `handler`, from the project's root. */
  readonly entry: string;
  /** False where the function must be one file without any npm package. */
  readonly mayUsePackages: boolean;
  readonly maxBundleBytes: number;
  readonly maxZipBytes: number;
}

export interface BuiltFunction {
  readonly name: string;
  /** What is in the archive: ES modules, of which `index.mjs` exports `handler`. */
  readonly folder: string;
  readonly file: string;
  /** All files together. */
  readonly bytes: number;
  /** The archive to upload; its handler is `index.handler`, its runtime nodejs24.x. */
  readonly zipFile: string;
  readonly zipBytes: number;
}

const REPOSITORY = fileURLToPath(new URL('../../', import.meta.url));
const MAIN_FILE = 'index.mjs';

/** Packages that are CommonJS ask for Node's own modules by `require`, which an ES module has not by itself. */
const REQUIRE_FOR_PACKAGES =
  "import{createRequire as createRequireOfBundle}from'node:module';const require=createRequireOfBundle(import.meta.url);";
/** What a package asks for in a `try`, and does without: colours of a terminal. */
const DISPENSABLE: ReadonlySet<string> = new Set(['supports-color']);

/** Builds the folder `NAME` and `NAME.zip` below `outDir`. Throws where the bundle is too large or not alone. */
export async function bundleFunction(plan: FunctionPlan, outDir: string): Promise<BuiltFunction> {
  const { name, entry, mayUsePackages, maxBundleBytes, maxZipBytes } = plan;
  const { outputFiles, metafile } = await build({
    absWorkingDir: REPOSITORY,
    entryPoints: [{ in: entry, out: 'index' }],
    bundle: true,
    splitting: true,
    minify: true,
    // Names of classes are what the log shows as the type of an error.
    keepNames: true,
    format: 'esm',
    platform: 'node',
    // Modules of packages rather than their CommonJS: what is not used can be left out.
    mainFields: ['module', 'main'],
    target: 'node24',
    charset: 'utf8',
    legalComments: 'none',
    write: false,
    metafile: true,
    outdir: '.',
    outExtension: { '.js': '.mjs' },
    logLevel: 'silent',
    ...(mayUsePackages ? { banner: { js: REQUIRE_FOR_PACKAGES } } : {}),
  });
  assertAlone(plan, metafile);
  const entries: readonly ZipEntry[] = outputFiles
    .map(({ path, contents }) => ({ name: basename(path), bytes: contents }))
    .toSorted((a, b) => (a.name < b.name ? -1 : 1));
  const archive = packZip(entries);
  const bytes = entries.reduce((sum, one) => sum + one.bytes.length, 0);
  assertFits(`The bundle of ${name}`, bytes, maxBundleBytes);
  assertFits(`The archive of ${name}`, archive.length, maxZipBytes);

  const folder = join(outDir, name);
  const zipFile = join(outDir, `${name}.zip`);
  // Files of an earlier build have other names.
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  for (const one of entries) await writeFile(join(folder, one.name), one.bytes);
  await writeFile(zipFile, archive);
  return { name, folder, file: join(folder, MAIN_FILE), bytes, zipFile, zipBytes: archive.length };
}

function assertAlone({ name, mayUsePackages }: FunctionPlan, { inputs, outputs }: Metafile): void {
  const packages = Object.keys(inputs).filter((path) => path.includes('node_modules'));
  if (packages.length > 0 && !mayUsePackages)
    throw new Error(`The function ${name} must need no package, but it uses ${packages.join(', ')}`);
  if (Object.keys(outputs).length > 1 && !mayUsePackages)
    throw new Error(`The function ${name} must be one file`);
  const missing = Object.values(outputs)
    .flatMap(({ imports }) => imports)
    .filter(({ path, external }) => external === true && !isBuiltin(path) && !DISPENSABLE.has(path));
  if (missing.length > 0)
    throw new Error(
      `The function ${name} is not alone, it imports ${missing.map(({ path }) => path).join(', ')}`,
    );
}

function assertFits(what: string, bytes: number, maxBytes: number): void {
  if (bytes > maxBytes)
    throw new Error(`${what} has ${bytes} bytes, ${maxBytes} are allowed: find out what it pulls in`);
}
