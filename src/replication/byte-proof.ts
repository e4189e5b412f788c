// What is computed over the bytes on their way: the CRC32C that the target enforces, and the source's own checksum
// where the rule wants it compared. Each byte of the object is hashed exactly once, also when pieces are read again.
import { type ChecksumEngine, crc32cToBase64, type RunningChecksum } from '../core/checksum.ts';
import { Fault } from '../core/faults.ts';
import type { SourceChecksum, SourceState } from '../core/object.ts';
import type { VerifyPolicy } from '../core/rule.ts';
import type { VerifiedLevel } from '../core/transfer.ts';

/** Where a proof stands, to be continued after a crash. */
export interface SavedProof {
  readonly hashedBytes: number;
  readonly crc32c: number;
  readonly sourceChecksumState: string | null;
}

export class ByteProof {
  readonly #engine: ChecksumEngine;
  readonly #state: SourceState;
  readonly #expected: SourceChecksum | null;
  readonly #running: RunningChecksum | null;
  #crc: number;
  #hashedBytes: number;

  /** Throws `not_comparable` where the rule is strict and the source keeps nothing to compare with. */
  constructor(options: {
    readonly engine: ChecksumEngine;
    readonly state: SourceState;
    readonly verify: VerifyPolicy;
    readonly saved: SavedProof | null;
  }) {
    const { engine, state, verify, saved } = options;
    this.#engine = engine;
    this.#state = state;
    this.#crc = saved?.crc32c ?? 0;
    this.#hashedBytes = saved?.hashedBytes ?? 0;
    const chosen = verify === 'transfer' ? null : chooseChecksum(engine, state, saved);
    this.#expected = chosen?.expected ?? null;
    this.#running = chosen?.running ?? null;
    if (verify === 'strict' && chosen === null) {
      const kept = state.checksum === null ? 'none' : `${state.checksum.algorithm} (${state.checksum.kind})`;
      throw new Fault(
        'not_comparable',
        `The source keeps no checksum that can be compared; it keeps: ${kept}`,
      );
    }
  }

  get hashedBytes(): number {
    return this.#hashedBytes;
  }

  get crc32cBase64(): string {
    return crc32cToBase64(this.#crc);
  }

  /** True once every byte of the object went through. */
  get isComplete(): boolean {
    return this.#hashedBytes === this.#state.sizeBytes;
  }

  /** Takes bytes that stand at `offset` of the object; what was hashed before is skipped. */
  update(bytes: Uint8Array, offset: number): void {
    const alreadyHashed = this.#hashedBytes - offset;
    if (alreadyHashed < 0)
      throw new Error(`Bytes between ${this.#hashedBytes} and ${offset} were never hashed`);
    if (alreadyHashed >= bytes.length) return;
    const fresh = alreadyHashed === 0 ? bytes : bytes.subarray(alreadyHashed);
    this.#crc = this.#running?.updateBeside(fresh, this.#crc) ?? this.#engine.crc32c(fresh, this.#crc);
    this.#hashedBytes += fresh.length;
  }

  save(): SavedProof {
    return {
      hashedBytes: this.#hashedBytes,
      crc32c: this.#crc,
      sourceChecksumState: this.#running?.save() ?? null,
    };
  }

  /**
   * Compares with the source's own checksum, once all bytes went through. Returns the level reached; throws
   * `source_checksum_mismatch` before anything becomes visible.
   */
  conclude(): VerifiedLevel {
    if (!this.isComplete)
      throw new Error(`Only ${this.#hashedBytes} of ${this.#state.sizeBytes} bytes were hashed`);
    const expected = this.#expected;
    if (expected === null) return 'transfer';
    const actual = expected.algorithm === 'crc32c' ? this.crc32cBase64 : this.#running?.digestBase64();
    if (actual === undefined) return 'transfer';
    if (actual !== expected.value) {
      throw new Fault(
        'source_checksum_mismatch',
        `The source says ${expected.algorithm} ${expected.value}, the bytes read have ${actual}`,
        { details: { algorithm: expected.algorithm, sizeBytes: this.#state.sizeBytes } },
      );
    }
    return 'source';
  }
}

interface ChosenChecksum {
  readonly expected: SourceChecksum;
  /** Null for CRC32C, which is computed anyway. */
  readonly running: RunningChecksum | null;
}

/** The first of the source's checksums that says something about the whole object and can be computed here. */
function chooseChecksum(
  engine: ChecksumEngine,
  state: SourceState,
  saved: SavedProof | null,
): ChosenChecksum | null {
  const mustContinue = saved !== null && saved.hashedBytes > 0;
  const savedState = mustContinue ? saved.sourceChecksumState : null;
  for (const expected of wholeChecksums(state)) {
    if (expected.algorithm === 'crc32c') return { expected, running: null };
    if (mustContinue && savedState === null) continue;
    const running = engine.start(expected.algorithm, savedState);
    if (running !== null) return { expected, running };
  }
  return null;
}

function wholeChecksums(state: SourceState): SourceChecksum[] {
  const kept = state.checksum?.kind === 'full_object' ? [state.checksum] : [];
  return state.md5 === null ? kept : [...kept, { algorithm: 'md5', value: state.md5, kind: 'full_object' }];
}

/**
 * True where the proof of an interrupted upload can go on to the level that the rule asks for. A hash such as MD5
 * cannot be saved half-way, and what an older version saved may not be understood: such an object is read again from
 * its start.
 */
export function canContinueProof(
  engine: ChecksumEngine,
  state: SourceState,
  verify: VerifyPolicy,
  saved: SavedProof,
): boolean {
  if (verify === 'transfer' || saved.hashedBytes === 0) return true;
  const fresh = chooseChecksum(engine, state, null);
  if (fresh === null || fresh.running === null) return true;
  const { algorithm } = fresh.expected;
  return saved.sourceChecksumState !== null && engine.start(algorithm, saved.sourceChecksumState) !== null;
}
