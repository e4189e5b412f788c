// One measurement of one program, and what is told of several of them.
import { totalsOf, type Workload } from './workloads.ts';

export interface Measurement {
  /** From the first change, or the start of the copying program, until everything is copied. */
  readonly seconds: number;
  /** Of all processes of the program, without the stand-ins and without whoever measures. */
  readonly cpuSeconds: number;
  /** NaN where it is several processes. */
  readonly peakMiB: number;
  /** Requests that the stand-ins saw, by kind. */
  readonly calls: Readonly<Record<string, number>>;
}

export interface Setting {
  readonly workload: Workload;
  /** Passes before every answer of the stand-ins. */
  readonly latencyMs: number;
  /** The stand-ins speak TLS. */
  readonly isEncrypted: boolean;
}

/** A program that copies from the stand-in S3 to the stand-in GCS. */
export interface Contender {
  readonly name: string;
  /** Null where it can run here; else the sentence that says why it cannot. */
  readonly whyNot: () => Promise<string | null>;
  /** False where a workload makes no sense for it. */
  readonly takes?: (workload: Workload) => boolean;
  readonly measure: (setting: Setting) => Promise<Measurement>;
}

/** The middle of the figures, each by itself. */
export function medianOf(rounds: readonly Measurement[]): Measurement {
  const middle = (figure: (round: Measurement) => number): number =>
    rounds.map(figure).toSorted((a, b) => a - b)[Math.floor(rounds.length / 2)] ?? Number.NaN;
  return {
    seconds: middle((round) => round.seconds),
    cpuSeconds: middle((round) => round.cpuSeconds),
    peakMiB: middle((round) => round.peakMiB),
    calls: rounds.at(-1)?.calls ?? {},
  };
}

/** What a measurement says of one object and of one GiB. */
export function perObject(
  measurement: Measurement,
  workload: Workload,
): {
  readonly objectsPerSecond: number;
  readonly mibPerSecond: number;
  readonly cpuMsPerObject: number;
  readonly cpuSecondsPerGib: number;
  readonly callsPerObject: Readonly<Record<string, number>>;
} {
  const { objectCount, bytes } = totalsOf(workload);
  const gib = bytes / 2 ** 30;
  const { seconds, cpuSeconds, calls } = measurement;
  return {
    objectsPerSecond: objectCount / seconds,
    mibPerSecond: (gib * 1024) / seconds,
    cpuMsPerObject: (cpuSeconds * 1000) / objectCount,
    cpuSecondsPerGib: cpuSeconds / gib,
    callsPerObject: Object.fromEntries(
      Object.entries(calls).map(([call, count]) => [call, Math.round((count / objectCount) * 100) / 100]),
    ),
  };
}
