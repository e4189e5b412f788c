// Bundles one Lambda function into a single file and packs it. Everything the function needs is in that file; what is
// not, or what makes it larger than it may be, fails the build.
import { mkdir, writeFile } from 'node:fs/promises';
import { isBuiltin } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
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
  /** The bundle, an ES module that exports `handler`. */
  readonly file: string;
  readonly bytes: number;
  /** The archive to upload; its handler is `index.handler`, its runtime nodejs24.x. */
  readonly zipFile: string;
  readonly zipBytes: number;
}

const REPOSITORY = fileURLToPath(new URL('../../', import.meta.url));

/** Packages that are CommonJS ask for Node's own modules by `require`, which an ES module has not by itself. */
const REQUIRE_FOR_PACKAGES =
  "import{createRequire as createRequireOfBundle}from'node:module';const require=createRequireOfBundle(import.meta.url);";

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
    target: 'node24',
    charset: 'utf8',
    legalComments: 'none',
    write: false,
    metafile: true,
    outfile: 'index.mjs',
    logLevel: 'silent',
    ...(mayUsePackages ? { banner: { js: REQUIRE_FOR_PACKAGES } } : {}),
  });
  const [output] = outputFiles;
  if (output === undefined) throw new Error('The bundler wrote no file');
  const packages = Object.keys(metafile.inputs).filter((path) => path.includes('node_modules'));
  if (packages.length > 0 && !mayUsePackages)
    throw new Error(`The function ${name} must need no package, but it uses ${packages.join(', ')}`);
  const missing = Object.values(metafile.outputs)
    .flatMap((one) => one.imports.map((imported) => imported.path))
    .filter((path) => !isBuiltin(path));
  if (missing.length > 0)
    throw new Error(`The function ${name} is not alone, it imports ${missing.join(', ')}`);
  const archive = packZip([{ name: 'index.mjs', bytes: output.contents }]);
  const bytes = output.contents.length;
  assertFits(`The bundle of ${name}`, bytes, maxBundleBytes);
  assertFits(`The archive of ${name}`, archive.length, maxZipBytes);

  const folder = join(outDir, name);
  const file = join(folder, 'index.mjs');
  const zipFile = join(outDir, `${name}.zip`);
  await mkdir(folder, { recursive: true });
  await writeFile(file, output.contents);
  await writeFile(zipFile, archive);
  return { name, file, bytes, zipFile, zipBytes: archive.length };
}

function assertFits(what: string, bytes: number, maxBytes: number): void {
  if (bytes > maxBytes)
    throw new Error(`${what} has ${bytes} bytes, ${maxBytes} are allowed: find out what it pulls in`);
}
