// The checksum engine where nothing native can be loaded: CRC32C in WebAssembly, a third as fast as native and the
// same file on every processor.
import { createCRC32 } from 'hash-wasm';
import type { ChecksumEngine } from '../core/checksum.ts';
import { checksumEngine } from './checksum-engine.ts';

const CASTAGNOLI_POLYNOMIAL = 0x82f63b78;

/** Opens the engine around the WebAssembly CRC32C. All calls share one instance; its state is swapped in and out. */
export async function openWasmChecksumEngine(): Promise<ChecksumEngine> {
  const hasher = await createCRC32(CASTAGNOLI_POLYNOMIAL);
  // A mark of the library's own version, then the CRC, least significant byte first.
  const state = hasher.init().save();
  const view = new DataView(state.buffer, state.byteOffset, state.byteLength);
  const crcOffset = state.byteLength - 4;
  return checksumEngine((bytes, seed) => {
    view.setUint32(crcOffset, seed, true);
    hasher.load(state);
    hasher.update(bytes);
    return new DataView(hasher.save().buffer).getUint32(crcOffset, true);
  });
}
