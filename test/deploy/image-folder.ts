// The folder that the image holds, made without an engine: the instructions of the Dockerfile carried out on a
// temporary folder. It holds what the image would and nothing else, so that what is missing there is missing here.
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  globSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, posix, sep } from 'node:path';
import { readDockerfile, readDockerignore, type Stage } from './dockerfile.ts';

const ROOT = join(import.meta.dirname, '../..');

export const DOCKERFILE = join(ROOT, 'deploy/docker/Dockerfile');

/** The only way in which packages are installed; a test carries it out by the letter or copies what it would install. */
export const INSTALL = 'npm ci --omit=dev --no-audit --no-fund';

/**
 * Answers the root of the image. `npm`: the packages come from the registry, as the Dockerfile says; `copied`: those
 * that the lock file calls production packages, from this project's own folder.
 */
export function makeImageFolder(packages: 'npm' | 'copied'): string {
  const root = mkdtempSync(join(tmpdir(), 'replicator-image-'));
  // Everybody may enter, as in an image.
  chmodSync(root, 0o755);
  const stages = new Map<string | null, string>();
  for (const stage of readDockerfile(DOCKERFILE)) {
    const folder = join(root, stage.name ?? 'image');
    mkdirSync(folder);
    carryOut(stage, folder, stages, packages);
    stages.set(stage.name, folder);
  }
  return join(root, 'image');
}

function carryOut(
  stage: Stage,
  folder: string,
  stages: ReadonlyMap<string | null, string>,
  packages: 'npm' | 'copied',
): void {
  let workdir = '/';
  for (const { keyword, args } of stage.instructions) {
    if (keyword === 'WORKDIR') {
      workdir = args;
      mkdirSync(join(folder, workdir), { recursive: true });
    } else if (keyword === 'COPY') copy(args, folder, workdir, stages);
    else if (keyword === 'RUN') run(args, folder, workdir, packages);
  }
}

function copy(
  args: string,
  folder: string,
  workdir: string,
  stages: ReadonlyMap<string | null, string>,
): void {
  const [, from = null, rest = ''] = /^(?:--from=(\S+) )?(.*)$/.exec(args) ?? [];
  const paths = rest.split(' ');
  const target = paths.pop() ?? '';
  const into = join(folder, posix.resolve(workdir, target));
  for (const path of paths) {
    // A folder is copied as its content, a file under its own name where the target is a folder.
    const source = from === null ? join(ROOT, path) : join(stages.get(from) ?? '', path);
    if (!existsSync(source)) throw new Error(`COPY ${args}: there is no ${path}`);
    if (from !== null) cpSync(source, into, { recursive: true, verbatimSymlinks: true });
    else
      copyFromContext(
        path,
        statSync(source).isDirectory() || !target.endsWith('/') ? into : join(into, path),
      );
  }
}

/** Only what .dockerignore lets through reaches the builder. */
function copyFromContext(path: string, into: string): void {
  const isSent = readDockerignore(join(ROOT, '.dockerignore'));
  const files = statSync(join(ROOT, path)).isDirectory()
    ? globSync(`${path}/**`, { cwd: ROOT }).filter((file) => statSync(join(ROOT, file)).isFile())
    : [path];
  const sent = files.map((file) => file.split(sep).join('/')).filter(isSent);
  if (sent.length === 0) throw new Error(`COPY ${path}: .dockerignore keeps it from the builder`);
  for (const file of sent) {
    const to = join(into, file.slice(path.length));
    mkdirSync(dirname(to), { recursive: true });
    cpSync(join(ROOT, file), to);
  }
}

function run(args: string, folder: string, workdir: string, packages: 'npm' | 'copied'): void {
  const inside = join(folder, workdir);
  if (args === INSTALL) {
    if (packages === 'copied') copyPackages(inside);
    else execFileSync('npm', INSTALL.split(' ').slice(1), { cwd: inside, stdio: 'pipe' });
    return;
  }
  for (const step of args.split(' && ')) {
    const [command = '', ...rest] = step.split(' ');
    const at = (path: string): string => join(folder, posix.resolve(workdir, path));
    if (command === 'chmod') chmodSync(at(rest[1] ?? ''), Number.parseInt(rest[0] ?? '', 8));
    else if (command === 'ln' && rest[0] === '-s') {
      mkdirSync(dirname(at(rest[2] ?? '')), { recursive: true });
      symlinkSync(at(rest[1] ?? ''), at(rest[2] ?? ''));
    } else if (command === 'install' && rest.includes('-d'))
      mkdirSync(at(rest.at(-1) ?? ''), { mode: 0o700 });
    else throw new Error(`RUN is not understood: ${step}`);
  }
}

interface LockFile {
  readonly packages: Readonly<Record<string, { readonly dev?: boolean; readonly devOptional?: boolean }>>;
}

function copyPackages(inside: string): void {
  const lock = JSON.parse(readFileSync(join(inside, 'package-lock.json'), 'utf8')) as LockFile;
  const own = Object.entries(lock.packages)
    .filter(([path, { dev, devOptional }]) => path !== '' && dev !== true && devOptional !== true)
    .map(([path]) => path)
    // Packages of other systems are not installed.
    .filter((path) => existsSync(join(ROOT, path)));
  for (const path of own) link(join(ROOT, path), join(inside, path));
}

/** The files of one package, without what nobody runs. Linked, not copied: there are thousands of them. */
function link(from: string, to: string): void {
  mkdirSync(to, { recursive: true });
  for (const entry of readdirSync(from, { withFileTypes: true })) {
    const [source, target] = [join(from, entry.name), join(to, entry.name)];
    // Packages inside of a package have entries of their own.
    if (entry.name === 'node_modules' || /\.(?:d\.[cm]?ts|map|md)$/.test(entry.name)) continue;
    if (entry.isDirectory()) link(source, target);
    else if (entry.isFile()) linkOrCopy(source, target);
  }
}

function linkOrCopy(source: string, target: string): void {
  try {
    linkSync(source, target);
  } catch {
    // The temporary folder may lie on another disk.
    copyFileSync(source, target);
  }
}
