// Bundles the forwarding Lambda function into one small file and packs it. The function must stay tiny and must not
// need a package at run time, so the build fails where either would be lost.
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { packZip } from './zip-archive.ts';

export interface BuiltForwarder {
  /** The bundle, an ES module that exports `handler`. */
  readonly file: string;
  readonly bytes: number;
  /** The archive to upload; its handler is `index.handler`, its runtime nodejs24.x. */
  readonly zipFile: string;
  readonly zipBytes: number;
}

const REPOSITORY = fileURLToPath(new URL('../../', import.meta.url));
const ENTRY = 'src/main/lambda-forward.ts';
const MAX_BUNDLE_BYTES = 20 * 1024;

/** Builds `forward/index.mjs` and `forward.zip` below `outDir`. Throws where the bundle is too large or not alone. */
export async function buildForwarder(outDir: string): Promise<BuiltForwarder> {
  const result = await build({
    absWorkingDir: REPOSITORY,
    entryPoints: [ENTRY],
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
  });
  const [output] = result.outputFiles;
  if (output === undefined) throw new Error('The bundler wrote no file');
  const { inputs, outputs } = result.metafile;
  const packages = Object.keys(inputs).filter((path) => path.includes('node_modules'));
  const foreign = Object.values(outputs)
    .flatMap((one) => one.imports.map((imported) => imported.path))
    .filter((path) => !path.startsWith('node:'));
  if (packages.length > 0 || foreign.length > 0)
    throw new Error(
      `The forwarder must need no package, but it uses ${[...packages, ...foreign].join(', ')}`,
    );
  const bytes = output.contents.length;
  if (bytes > MAX_BUNDLE_BYTES)
    throw new Error(
      `The forwarder has ${bytes} bytes, ${MAX_BUNDLE_BYTES} are allowed: find out what it pulls in`,
    );

  const folder = join(outDir, 'forward');
  const file = join(folder, 'index.mjs');
  const zipFile = join(outDir, 'forward.zip');
  const archive = packZip([{ name: 'index.mjs', bytes: output.contents }]);
  await mkdir(folder, { recursive: true });
  await writeFile(file, output.contents);
  await writeFile(zipFile, archive);
  return { file, bytes, zipFile, zipBytes: archive.length };
}

if (import.meta.main) {
  const built = await buildForwarder(join(REPOSITORY, 'dist', 'lambda'));
  process.stdout.write(`${built.file}  ${built.bytes} bytes\n${built.zipFile}  ${built.zipBytes} bytes\n`);
}
