// The bytes of an object: kept as the pieces they arrived in, joined from parts, or generated on the fly.
// Nothing here ever copies or joins a whole object.

export interface ObjectContent {
  readonly sizeBytes: number;
  /** The bytes from `start` up to and without `end`, in pieces of at most about 1 MiB. */
  read(start: number, end: number): Iterable<Uint8Array>;
}

/** Content out of pieces. The pieces must not be changed afterwards. */
export function contentOf(pieces: readonly Uint8Array[]): ObjectContent {
  return {
    sizeBytes: pieces.reduce((sum, piece) => sum + piece.length, 0),
    *read(start, end) {
      let offset = 0;
      for (const piece of pieces) {
        if (offset >= end) return;
        if (offset + piece.length > start) {
          const slice = piece.subarray(Math.max(0, start - offset), end - offset);
          if (slice.length > 0) yield* inSteps(slice);
        }
        offset += piece.length;
      }
    },
  };
}

/** The contents one after another, as a finished multipart upload joins its parts. */
export function joinContents(contents: readonly ObjectContent[]): ObjectContent {
  return {
    sizeBytes: contents.reduce((sum, content) => sum + content.sizeBytes, 0),
    *read(start, end) {
      let offset = 0;
      for (const content of contents) {
        if (offset >= end) return;
        if (offset + content.sizeBytes > start)
          yield* content.read(Math.max(0, start - offset), Math.min(content.sizeBytes, end - offset));
        offset += content.sizeBytes;
      }
    },
  };
}

const blockBytes = 1024 * 1024;
/** Odd, so that no two of the first million blocks are turned by the same distance. */
const rotationStep = 65_537;

/** Deterministic bytes of any size in 2 MiB of memory: one pseudo-random block, turned differently for each index. */
export function syntheticContent(sizeBytes: number, seed: number): ObjectContent {
  const twice = Buffer.alloc(2 * blockBytes);
  // Xorshift32 never leaves zero, so the state must not start there.
  let state = (Math.imul(seed, 2_654_435_761) ^ 0x9e_37_79_b9) >>> 0 || 1;
  for (let offset = 0; offset < blockBytes; offset += 4) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    twice.writeUInt32LE(state >>> 0, offset);
  }
  twice.copy(twice, blockBytes, 0, blockBytes);
  return {
    sizeBytes,
    *read(start, end) {
      let offset = start;
      while (offset < end) {
        const index = Math.floor(offset / blockBytes);
        const within = offset - index * blockBytes;
        const length = Math.min(blockBytes - within, end - offset);
        const turned = (index * rotationStep) % blockBytes;
        yield twice.subarray(turned + within, turned + within + length);
        offset += length;
      }
    },
  };
}

function* inSteps(bytes: Uint8Array): Generator<Uint8Array> {
  for (let offset = 0; offset < bytes.length; offset += blockBytes)
    yield bytes.subarray(offset, offset + blockBytes);
}
