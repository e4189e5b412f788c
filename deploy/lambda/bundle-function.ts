// Bundles one Lambda function into a single file and packs it. Everything the function needs is in that file; what is
// not, or what makes it larger than it may be, fails the build. One file, because the bundler does not load packages
// late by their names where they are split off: docs/decisions/028-one-bundle-for-every-processor.md.
import { mkdir, writeFile } from 'node:fs/promises';
import { isBuiltin } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, type Metafile } from 'esbuild';
import { packZip } from './zip-archive.ts';

export interface FunctionPlan {
  /** Name of the folder and of the archive. */
  readonly name: string;
  /** The entry that exports `handler`, from the project's root. */
  readonly entry: string;
  /** False where the function must not contain any npm package. */
  readonly mayUsePackages: boolean;
  readonly maxBundleBytes: number;
  readonly maxZipBytes: number;
}

export interface BuiltFunction {
  readonly name: string;
  /** Where the bundle is, alone. */
  readonly folder: string;
  /** The bundle, an ES module that exports `handler`. */
  readonly file: string;
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
/** What packages ask for in a `try`, or for somebody who wants it: colours of a terminal, another client of PostgreSQL. */
const DISPENSABLE: ReadonlySet<string> = new Set(['supports-color', 'pg-native']);

/** Builds `NAME/index.mjs` and `NAME.zip` below `outDir`. Throws where the bundle is too large or not alone. */
export async function bundleFunction(plan: FunctionPlan, outDir: string): Promise<BuiltFunction> {
  const { name, entry, mayUsePackages, maxBundleBytes, maxZipBytes } = plan;
  const { outputFiles, metafile } = await build({
    absWorkingDir: REPOSITORY,
    entryPoints: [entry],
    bundle: true,
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
    outfile: MAIN_FILE,
    logLevel: 'silent',
    ...(mayUsePackages ? { banner: { js: REQUIRE_FOR_PACKAGES } } : {}),
  });
  assertAlone(plan, metafile);
  const [output] = outputFiles;
  if (output === undefined) throw new Error('The bundler wrote no file');
  const { contents } = output;
  const archive = packZip([{ name: MAIN_FILE, bytes: contents }]);
  assertFits(`The bundle of ${name}`, contents.length, maxBundleBytes);
  assertFits(`The archive of ${name}`, archive.length, maxZipBytes);

  const folder = join(outDir, name);
  const file = join(folder, MAIN_FILE);
  const zipFile = join(outDir, `${name}.zip`);
  await mkdir(folder, { recursive: true });
  await writeFile(file, contents);
  await writeFile(zipFile, archive);
  return { name, folder, file, bytes: contents.length, zipFile, zipBytes: archive.length };
}

function assertAlone({ name, mayUsePackages }: FunctionPlan, { inputs, outputs }: Metafile): void {
  const packages = Object.keys(inputs).filter((path) => path.includes('node_modules'));
  if (packages.length > 0 && !mayUsePackages)
    throw new Error(`The function ${name} must need no package, but it uses ${packages.join(', ')}`);
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
