// What an upload is to become: everything about a new object that is known before its bytes are.
import type { ObjectFields } from './object-fields.ts';
import type { Preconditions } from './preconditions.ts';
import type { AnnouncedHashes } from './upload-hashes.ts';

/** Everything about a new object but its bytes. */
export interface UploadPlan {
  readonly bucket: string;
  readonly name: string;
  readonly fields: ObjectFields;
  readonly hashes: readonly AnnouncedHashes[];
  readonly preconditions: Preconditions;
  readonly kmsKeyName: string | null;
}
