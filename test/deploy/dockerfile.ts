// A Dockerfile and a .dockerignore, read as far as ours go. What is not understood throws, so that a new instruction
// gets looked at here too.
import { readFileSync } from 'node:fs';

export interface Instruction {
  readonly keyword: string;
  readonly args: string;
}

export interface Stage {
  readonly image: string;
  readonly name: string | null;
  readonly instructions: readonly Instruction[];
}

const KEYWORDS = new Set([
  'FROM',
  'WORKDIR',
  'COPY',
  'RUN',
  'ENV',
  'USER',
  'VOLUME',
  'EXPOSE',
  'STOPSIGNAL',
  'HEALTHCHECK',
  'CMD',
]);

/** The stages in their order; the last one is the image. */
export function readDockerfile(path: string): readonly Stage[] {
  const text = readFileSync(path, 'utf8').replaceAll(/\\\n/g, ' ');
  const stages: { image: string; name: string | null; instructions: Instruction[] }[] = [];
  for (const line of text.split('\n').map((raw) => raw.trim())) {
    if (line === '' || line.startsWith('#')) continue;
    const [, keyword = '', args = ''] = /^(\S+)\s+(.*)$/.exec(line) ?? [];
    if (!KEYWORDS.has(keyword)) throw new Error(`${path}: not understood: ${line}`);
    if (keyword === 'FROM') {
      const [, image = '', name = null] = /^(\S+)(?: AS (\S+))?$/.exec(args) ?? [];
      stages.push({ image, name, instructions: [] });
    } else stages.at(-1)?.instructions.push({ keyword, args });
  }
  return stages;
}

/** The arguments of every instruction of this kind in a stage. */
export function argumentsOf(stage: Stage, keyword: string): readonly string[] {
  return stage.instructions.filter((one) => one.keyword === keyword).map(({ args }) => args);
}

/** The one instruction of this kind; throws where there is none or more. */
export function onlyArgument(stage: Stage, keyword: string): string {
  const [first, ...others] = argumentsOf(stage, keyword);
  if (first === undefined || others.length > 0) throw new Error(`Exactly one ${keyword} is expected`);
  return first;
}

/** A command in its exec form. */
export function commandOf(args: string): readonly string[] {
  const list: unknown = JSON.parse(args.slice(args.indexOf('[')));
  if (!Array.isArray(list) || !list.every((part): part is string => typeof part === 'string'))
    throw new Error(`Not the exec form: ${args}`);
  return list;
}

/** True for a path, from the project's folder with forward slashes, that goes to the builder. The last match decides. */
export function readDockerignore(path: string): (file: string) => boolean {
  const rules = readFileSync(path, 'utf8')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => {
      const isBack = line.startsWith('!');
      const pattern = (isBack ? line.slice(1) : line)
        .split('/')
        .map((part) =>
          part === '**' ? '(?:.+/)?' : `${part.replaceAll('.', String.raw`\.`).replaceAll('*', '[^/]*')}/`,
        )
        .join('');
      // A rule for a folder is one for everything below it.
      return { isBack, matches: new RegExp(`^${pattern.replace(/\/$/, '')}(?:/|$)`) };
    });
  return (file) => rules.findLast(({ matches }) => matches.test(file))?.isBack ?? true;
}
