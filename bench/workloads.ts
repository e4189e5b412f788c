// What is copied in a measurement, by name: how many objects of which sizes, and how many at once.

export interface WorkloadPart {
  readonly objectCount: number;
  readonly sizeBytes: number;
}

export interface Workload {
  readonly name: string;
  readonly parts: readonly WorkloadPart[];
  /** Objects in flight at most. */
  readonly concurrency: number;
}

const KIB = 1024;
const MIB = 1024 * KIB;
const GIB = 1024 * MIB;

const WORKLOADS: readonly Workload[] = [
  { name: '4k', parts: [{ objectCount: 20_000, sizeBytes: 4 * KIB }], concurrency: 64 },
  { name: '256k', parts: [{ objectCount: 2_000, sizeBytes: 256 * KIB }], concurrency: 64 },
  { name: '64m', parts: [{ objectCount: 16, sizeBytes: 64 * MIB }], concurrency: 16 },
  { name: '1g', parts: [{ objectCount: 1, sizeBytes: GIB }], concurrency: 4 },
  { name: '4x1g', parts: [{ objectCount: 4, sizeBytes: GIB }], concurrency: 16 },
  {
    name: 'mix',
    parts: [
      { objectCount: 5_000, sizeBytes: 4 * KIB },
      { objectCount: 500, sizeBytes: 256 * KIB },
      { objectCount: 4, sizeBytes: 64 * MIB },
    ],
    concurrency: 64,
  },
];

/** The name of an object in every measurement: its size is all that the stand-in needs to know of it. */
export function keyOf({ sizeBytes }: Pick<WorkloadPart, 'sizeBytes'>, index: number): string {
  return `${sizeBytes}/${String(index).padStart(9, '0')}`;
}

/** All objects, those of several sizes in turn. */
export function* objectsOf({
  parts,
}: Pick<Workload, 'parts'>): Generator<{ readonly key: string; readonly sizeBytes: number }> {
  const longest = Math.max(...parts.map(({ objectCount }) => objectCount));
  for (let step = 0; step < longest; step += 1)
    for (const part of parts) {
      const from = Math.floor((step * part.objectCount) / longest);
      const to = Math.floor(((step + 1) * part.objectCount) / longest);
      for (let index = from; index < to; index += 1)
        yield { key: keyOf(part, index), sizeBytes: part.sizeBytes };
    }
}

/** How many objects, and how many bytes. */
export function totalsOf({ parts }: Pick<Workload, 'parts'>): {
  readonly objectCount: number;
  readonly bytes: number;
} {
  return {
    objectCount: parts.reduce((sum, part) => sum + part.objectCount, 0),
    bytes: parts.reduce((sum, part) => sum + part.objectCount * part.sizeBytes, 0),
  };
}

/** Parts as text, for the programs of a measurement: `4096x20000,1048576x4`. */
export function textOfParts({ parts }: Pick<Workload, 'parts'>): string {
  return parts.map(({ sizeBytes, objectCount }) => `${sizeBytes}x${objectCount}`).join(',');
}

/** Throws where the text says no parts. */
export function partsOfText(text: string): readonly WorkloadPart[] {
  return text.split(',').map((part) => {
    const [sizeBytes = Number.NaN, objectCount = Number.NaN] = part.split('x').map(Number);
    if (!(sizeBytes >= 0 && objectCount > 0)) throw new Error(`${text} is no list such as 4096x20000`);
    return { sizeBytes, objectCount };
  });
}

/** The workload of a name, with another number of objects of each size where one is given. Throws where there is none. */
export function workloadNamed(name: string, objectCount: number | null): Workload {
  const found = WORKLOADS.find((workload) => workload.name === name);
  if (found === undefined)
    throw new Error(
      `No workload is named ${name}. There are: ${WORKLOADS.map((one) => one.name).join(', ')}`,
    );
  if (objectCount === null) return found;
  return { ...found, parts: found.parts.map(({ sizeBytes }) => ({ sizeBytes, objectCount })) };
}
