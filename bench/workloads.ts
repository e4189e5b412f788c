// What is copied in a measurement, by name: how many objects of which size, and how many at once.

export interface Workload {
  readonly name: string;
  readonly objectCount: number;
  readonly sizeBytes: number;
  /** Objects in flight at most. */
  readonly concurrency: number;
}

const KIB = 1024;
const MIB = 1024 * KIB;
const GIB = 1024 * MIB;

export const WORKLOADS: readonly Workload[] = [
  { name: '4k', objectCount: 20_000, sizeBytes: 4 * KIB, concurrency: 64 },
  { name: '256k', objectCount: 2_000, sizeBytes: 256 * KIB, concurrency: 64 },
  { name: '64m', objectCount: 16, sizeBytes: 64 * MIB, concurrency: 16 },
  { name: '1g', objectCount: 1, sizeBytes: GIB, concurrency: 4 },
  { name: '4x1g', objectCount: 4, sizeBytes: GIB, concurrency: 16 },
];

/** The name of an object in every measurement: its size is all that the stand-in needs to know of it. */
export function keyOf({ sizeBytes }: Pick<Workload, 'sizeBytes'>, index: number): string {
  return `${sizeBytes}/${String(index).padStart(9, '0')}`;
}

/** The workload of a name, with another number of objects where one is given. Throws where there is none. */
export function workloadNamed(name: string, objectCount: number | null): Workload {
  const found = WORKLOADS.find((workload) => workload.name === name);
  if (found === undefined)
    throw new Error(
      `No workload is named ${name}. There are: ${WORKLOADS.map((one) => one.name).join(', ')}`,
    );
  return { ...found, objectCount: objectCount ?? found.objectCount };
}
