// Keeps upload checkpoints secret at rest: AES-256-GCM under the service's key, bound to the transfer, so that
// a row's checkpoint cannot be read from the file nor be moved to another row.
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import type { UploadCheckpoint } from '../core/transfer-queue.ts';

export interface CheckpointSealer {
  /** The checkpoint as bytes that only this key and this transfer id open again. */
  seal(transferId: string, checkpoint: UploadCheckpoint): Uint8Array;
  /** Null where the bytes do not open: another key, another transfer, damage. The upload then begins again. */
  open(transferId: string, sealed: Uint8Array): UploadCheckpoint | null;
}

const CIPHER = 'aes-256-gcm';
const FORMAT = 2;
const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const HEADER_BYTES = 1 + NONCE_BYTES + TAG_BYTES;

/** A sealer over a key of 32 bytes; throws for a key of another length. */
export function openCheckpointSealer(key: Uint8Array): CheckpointSealer {
  if (key.byteLength !== KEY_BYTES) {
    throw new RangeError(`The encryption key has ${key.byteLength} bytes; it must have ${KEY_BYTES}`);
  }
  const secret = Uint8Array.from(key);
  return {
    seal(transferId, checkpoint) {
      const nonce = randomBytes(NONCE_BYTES);
      const cipher = createCipheriv(CIPHER, secret, nonce, { authTagLength: TAG_BYTES });
      cipher.setAAD(Buffer.from(transferId, 'utf8'));
      const body = [cipher.update(JSON.stringify(checkpoint), 'utf8'), cipher.final()];
      return Buffer.concat([Buffer.of(FORMAT), nonce, cipher.getAuthTag(), ...body]);
    },

    open(transferId, sealed) {
      if (sealed.byteLength <= HEADER_BYTES || sealed[0] !== FORMAT) return null;
      const nonce = sealed.subarray(1, 1 + NONCE_BYTES);
      const decipher = createDecipheriv(CIPHER, secret, nonce, { authTagLength: TAG_BYTES });
      decipher.setAAD(Buffer.from(transferId, 'utf8'));
      decipher.setAuthTag(sealed.subarray(1 + NONCE_BYTES, HEADER_BYTES));
      const start = decipher.update(sealed.subarray(HEADER_BYTES));
      const text = authenticated(() => Buffer.concat([start, decipher.final()]).toString('utf8'));
      // Authenticated: nobody but `seal` wrote this text.
      return text === null ? null : (JSON.parse(text) as UploadCheckpoint);
    },
  };
}

/** The text, or null where the authentication tag refuses it, which is the only way `final` fails. */
function authenticated(finish: () => string): string | null {
  try {
    return finish();
  } catch {
    return null;
  }
}
