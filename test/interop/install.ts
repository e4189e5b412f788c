// Installs the independent servers by released name and pinned version, through the ordinary clients of their
// languages, into a cache folder. What is there already is used as it is. A missing toolchain is no failure: the
// server is then unavailable, with the reason.
import { execFile } from 'node:child_process';
import { existsSync, globSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** The folder that holds the program, or the sentence that says why there is none. */
export type Installed =
  | { readonly kind: 'installed'; readonly folder: string }
  | { readonly kind: 'unavailable'; readonly reason: string };

export interface GoProgram {
  readonly name: string;
  readonly version: string;
  /** The package's import path; its last part is the name of the program. */
  readonly module: string;
}

export interface PythonProgram {
  readonly name: string;
  readonly version: string;
  readonly requirements: readonly string[];
  /** The lowest minor version of Python 3 that runs it. */
  readonly minPythonMinor: number;
}

export interface NodeProgram {
  readonly name: string;
  readonly version: string;
  /** Commands that its installation needs, because it compiles. */
  readonly needs: readonly string[];
}

export interface JavaProgram {
  readonly name: string;
  readonly version: string;
  readonly groupId: string;
  readonly artifactId: string;
}

type Tell = (line: string) => void;

const INSTALL_LIMIT_MS = 20 * 60_000;
const COMPLETE = '.complete';

/** The folder of all installed servers: `REPLICATOR_INTEROP_CACHE`, else in the user's cache. */
export function cacheFolder(): string {
  const chosen = process.env['REPLICATOR_INTEROP_CACHE'];
  return chosen !== undefined && chosen !== ''
    ? chosen
    : join(homedir(), '.cache', 'cross-cloud-replicator', 'interop');
}

/** Builds a Go program from its released version; takes minutes the first time. */
export async function installGoProgram(program: GoProgram, tell: Tell): Promise<Installed> {
  const folder = join(cacheFolder(), `${program.name}-${program.version}`);
  if (existsSync(join(folder, program.name))) return { kind: 'installed', folder };
  if (!(await answers('go', ['version'])))
    return { kind: 'unavailable', reason: 'go is not installed, and the server is built from its release' };
  tell(`building ${program.name} ${program.version} (minutes, once)`);
  const environment = {
    ...process.env,
    GOBIN: folder,
    GOPATH: join(cacheFolder(), 'go'),
    // A module cache that is read-only cannot be removed by its owner.
    GOFLAGS: '-modcacherw',
  };
  const options = { env: environment, timeout: INSTALL_LIMIT_MS };
  return attempt(folder, async () =>
    run('go', ['install', `${program.module}@v${program.version}`], options),
  );
}

/** Installs a Python program into an environment of its own. */
export async function installPythonProgram(program: PythonProgram, tell: Tell): Promise<Installed> {
  const folder = join(cacheFolder(), `${program.name}-${program.version}`);
  if (existsSync(join(folder, COMPLETE))) return { kind: 'installed', folder };
  const python = await findPython(program.minPythonMinor);
  if (python === null)
    return { kind: 'unavailable', reason: `no Python 3.${program.minPythonMinor} or newer was found` };
  tell(`installing ${program.name} ${program.version} with ${python}`);
  return installAnew(folder, async () => {
    const options = { timeout: INSTALL_LIMIT_MS };
    await run(python, ['-m', 'venv', folder], options);
    await run(join(folder, 'bin', 'pip'), ['install', '--quiet', ...program.requirements], options);
  });
}

/** Installs an npm package that compiles itself, with its dependencies, into a folder of its own. */
export async function installNodeProgram(program: NodeProgram, tell: Tell): Promise<Installed> {
  const { name, version, needs } = program;
  const folder = join(cacheFolder(), `${name}-${version}`);
  if (existsSync(join(folder, COMPLETE))) return { kind: 'installed', folder };
  for (const command of needs)
    if (!(await answers(command, ['--version'])))
      return {
        kind: 'unavailable',
        reason: `${command} is not installed, and ${name} compiles itself with it`,
      };
  tell(`installing ${name} ${version} (a minute, once)`);
  return installAnew(folder, async () => {
    // Newer versions of npm run no install script that is not named.
    await writeFile(
      join(folder, 'package.json'),
      JSON.stringify({ private: true, allowScripts: { [name]: true } }),
    );
    const args = ['install', '--no-audit', '--no-fund', '--save-exact', `${name}@${version}`];
    await run('npm', args, { cwd: folder, timeout: INSTALL_LIMIT_MS });
  });
}

/** Puts the jars of a Java program and of everything it needs into the folder `lib`. */
export async function installJavaProgram(program: JavaProgram, tell: Tell): Promise<Installed> {
  const { name, version, groupId, artifactId } = program;
  const folder = join(cacheFolder(), `${name}-${version}`);
  if (existsSync(join(folder, COMPLETE))) return { kind: 'installed', folder };
  for (const [command, option] of [
    ['java', '-version'],
    ['mvn', '--version'],
  ] as const)
    if (!(await answers(command, [option])))
      return { kind: 'unavailable', reason: `${command} is not installed, and ${name} is a Java program` };
  tell(`installing ${name} ${version} with Maven`);
  return installAnew(folder, async () => {
    const needed = `<groupId>${groupId}</groupId><artifactId>${artifactId}</artifactId><version>${version}</version>`;
    const own =
      '<modelVersion>4.0.0</modelVersion><groupId>interop</groupId><artifactId>interop</artifactId><version>1</version>';
    await writeFile(
      join(folder, 'pom.xml'),
      `<project>${own}<dependencies><dependency>${needed}</dependency></dependencies></project>`,
    );
    const args = ['-q', '-B', 'dependency:copy-dependencies', '-DoutputDirectory=lib'];
    await run('mvn', args, { cwd: folder, timeout: INSTALL_LIMIT_MS });
  });
}

/** Into an empty folder, which is marked last: one without the mark was left half-way and is made again. */
async function installAnew(folder: string, install: () => Promise<void>): Promise<Installed> {
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  return attempt(folder, async () => {
    await install();
    await writeFile(join(folder, COMPLETE), '');
  });
}

async function attempt(folder: string, install: () => Promise<unknown>): Promise<Installed> {
  try {
    await install();
    return { kind: 'installed', folder };
  } catch (error) {
    const output = error instanceof Error && 'stderr' in error ? String(error.stderr) : String(error);
    return { kind: 'unavailable', reason: `the installation failed: ${output.trim().slice(-600)}` };
  }
}

async function answers(command: string, args: readonly string[]): Promise<boolean> {
  try {
    await run(command, args, { timeout: 20_000 });
    return true;
  } catch {
    return false;
  }
}

/** The first Python that is new enough: on the path, or kept by pyenv without being chosen. */
async function findPython(minMinor: number): Promise<string | null> {
  const names = ['python3', 'python3.14', 'python3.13', 'python3.12', 'python3.11'];
  const pyenv = process.env['PYENV_ROOT'] ?? join(homedir(), '.pyenv');
  const kept = globSync(join(pyenv, 'versions', '3.*', 'bin', 'python3'))
    .toSorted()
    .toReversed();
  const isNewEnough = `import sys; sys.exit(0 if sys.version_info >= (3, ${minMinor}) else 1)`;
  for (const python of [...names, ...kept]) if (await answers(python, ['-c', isNewEnough])) return python;
  return null;
}
