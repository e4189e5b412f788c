// A program that others wrote, installed into the cache folder of the interop runs before it is measured.
import type { Installed } from '../../test/interop/install.ts';
import type { Contender, Measurement, Setting } from '../measurement.ts';

/** Tells on stderr while it installs, which may take minutes the first time. */
export function installedContender(program: {
  readonly name: string;
  readonly install: (tell: (line: string) => void) => Promise<Installed>;
  /** `folder`: where it was installed. */
  readonly measure: (setting: Setting, folder: string) => Promise<Measurement>;
}): Contender {
  const installed = async (): Promise<Installed> =>
    program.install((line) => void process.stderr.write(`${line}\n`));
  return {
    name: program.name,
    whyNot: async () => {
      const found = await installed();
      return found.kind === 'installed' ? null : found.reason;
    },
    measure: async (setting) => {
      const found = await installed();
      if (found.kind !== 'installed') throw new Error(found.reason);
      return program.measure(setting, found.folder);
    },
  };
}
