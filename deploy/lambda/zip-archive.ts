// Writes a zip archive that is the same, byte for byte, whenever and wherever the same files are packed: Lambda and
// infrastructure code tell by its hash whether there is anything to deploy.
import { Buffer } from 'node:buffer';
import { crc32, deflateRawSync } from 'node:zlib';

export interface ZipEntry {
  /** Path inside the archive, with forward slashes. */
  readonly name: string;
  readonly bytes: Uint8Array;
}

const LOCAL_HEADER = 0x04034b50;
const DIRECTORY_HEADER = 0x02014b50;
const END_OF_DIRECTORY = 0x06054b50;
const VERSION_NEEDED = 20;
const MADE_ON_UNIX = (3 << 8) | VERSION_NEEDED;
const NAMES_ARE_UTF8 = 1 << 11;
const DEFLATED = 8;
/** 1 January 1980, the first day a zip can tell. */
const FIXED_DATE = (1 << 5) | 1;
/** A plain file that everyone may read: Lambda runs as another user than the one that packed it. */
const FILE_MODE = 0o100644;

/** Packs the files in the given order. For small archives: below 4 GiB and 65,535 files, which is asserted. */
export function packZip(entries: readonly ZipEntry[]): Buffer {
  const written: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const { name, bytes } of entries) {
    const nameBytes = Buffer.from(name, 'utf8');
    const packed = deflateRawSync(bytes, { level: 9 });
    const facts = factsOf(bytes, packed, nameBytes);
    const local = Buffer.concat([uint32(LOCAL_HEADER), uint16(VERSION_NEEDED), facts, nameBytes, packed]);
    directory.push(
      Buffer.concat([
        uint32(DIRECTORY_HEADER),
        uint16(MADE_ON_UNIX),
        uint16(VERSION_NEEDED),
        facts,
        uint16(0), // no comment
        uint16(0), // first disk
        uint16(0), // no internal attributes
        uint32((FILE_MODE << 16) >>> 0),
        uint32(offset),
        nameBytes,
      ]),
    );
    written.push(local);
    offset += local.length;
  }
  const directoryBytes = Buffer.concat(directory);
  const count = uint16(entries.length);
  const end = Buffer.concat([
    uint32(END_OF_DIRECTORY),
    uint32(0), // one disk
    count,
    count,
    uint32(directoryBytes.length),
    uint32(offset),
    uint16(0), // no comment
  ]);
  return Buffer.concat([...written, directoryBytes, end]);
}

/** The fields that stand in both headers of a file in the same order. */
function factsOf(bytes: Uint8Array, packed: Buffer, nameBytes: Buffer): Buffer {
  return Buffer.concat([
    uint16(NAMES_ARE_UTF8),
    uint16(DEFLATED),
    uint16(0), // midnight
    uint16(FIXED_DATE),
    uint32(crc32(bytes)),
    uint32(packed.length),
    uint32(bytes.length),
    uint16(nameBytes.length),
    uint16(0), // no extra field
  ]);
}

function uint16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16LE(value);
  return bytes;
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}
