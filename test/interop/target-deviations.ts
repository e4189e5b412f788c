// Where the independent GCS servers differ from the real service, one line per check of the contract that cannot run
// there. Each was seen to fail for the reason given; a check is skipped or runs as it is, never with less to assert.
import type { ObjectTargetCheck } from '../contract/object-target.contract.ts';

export type TargetDeviations = Readonly<Partial<Record<ObjectTargetCheck, string>>>;

const NO_METAGENERATION = 'It shows no metageneration in the answer to a patch, and 1 in every other.';
const QUERY_FINISHES = 'A status query finishes the upload with what has arrived.';
const DELETE_UNCONDITIONAL = 'It ignores the conditions of a delete and deletes.';
const NO_METADATA_LIMIT = 'It has no limit for custom metadata.';
const BUCKET_LIKE_OBJECT = 'A missing bucket gives the 404 of a missing object.';
const NO_FINISH_METADATA = 'It ignores metadata in the headers of the finishing request.';
const NO_FINISH_CHECKSUM = 'It ignores X-Goog-Hash on the finishing request and stores the damaged object.';
const FORGETS_FINISHED = 'It forgets a session when it is finished: a query then answers 404.';

/** fake-gcs-server 1.56.1, memory backend. */
export const FAKE_GCS_SERVER: TargetDeviations = {
  'an insert at a token conflicts after the metadata changed': NO_METAGENERATION,
  'a metadata update replaces the whole metadata and nothing else': NO_METAGENERATION,
  'a metadata update can remove all custom metadata':
    'A patch to null keeps the name with an empty value, and its answer shows no metageneration.',
  'a metadata update conflicts at a token that another update made stale': NO_METAGENERATION,
  'a removal conflicts after the bytes were replaced': DELETE_UNCONDITIONAL,
  'a removal conflicts after the metadata changed': DELETE_UNCONDITIONAL,
  'more custom metadata than fits is refused': NO_METADATA_LIMIT,
  'a missing bucket is a fault, never an absent object': BUCKET_LIKE_OBJECT,
  'custom metadata told at the finish joins that of the opening': NO_FINISH_METADATA,
  'a fresh upload keeps nothing': QUERY_FINISHES,
  'asking for the progress finishes nothing, even when every byte is there': QUERY_FINISHES,
  'a failing source is thrown unchanged, and the upload goes on where the target says': QUERY_FINISHES,
  'after the finish the progress is the object, and finishing again changes nothing': FORGETS_FINISHED,
  'a finish that leaves bytes out makes no object':
    'It takes a finish that is shorter than declared, and stores a short object.',
  'a token is judged at the end of the upload, its metadata part included': NO_METAGENERATION,
  'an upload whose bytes do not match their checksum never becomes visible': NO_FINISH_CHECKSUM,
  'a cancelled upload is lost': 'It answers 499 to a cancel, and the session lives on.',
};

const UNCONDITIONAL = 'It ignores every condition.';
const DOTS_BREAK =
  'A name with a segment of two dots breaks the connection; names beyond ASCII are not found again.';

/** gcp-storage-emulator 2026.7.19. It is here for its resumable uploads, which others get wrong. */
export const GCP_STORAGE_EMULATOR: TargetDeviations = {
  'an insert makes the object visible as the answer says':
    'It repeats custom metadata as headers of a download, and breaks on what is not Latin-1.',
  'an insert when absent does not touch a present object': UNCONDITIONAL,
  'an insert at a token conflicts after somebody else wrote': UNCONDITIONAL,
  'an insert at a token conflicts after the metadata changed': UNCONDITIONAL,
  'an insert at a token conflicts where the object is gone': UNCONDITIONAL,
  'a metadata update replaces the whole metadata and nothing else':
    'A patch to null leaves content headers as they are.',
  'more custom metadata than fits is refused': NO_METADATA_LIMIT,
  'a removal conflicts after the bytes were replaced': DELETE_UNCONDITIONAL,
  'a removal conflicts after the metadata changed': DELETE_UNCONDITIONAL,
  'a listing shows every object below the prefix once, in byte order, page by page':
    'It ignores maxResults: everything comes on one page.',
  'a listing behind a name has what comes after it in byte order, page by page':
    'It ignores startOffset: every listing begins at the first name.',
  'a missing bucket is a fault, never an absent object': BUCKET_LIKE_OBJECT,
  'custom metadata told at the finish joins that of the opening': NO_FINISH_METADATA,
  'a fresh upload keeps nothing': 'Of a fresh session it says that one byte is kept.',
  'after the finish the progress is the object, and finishing again changes nothing': FORGETS_FINISHED,
  'a failing source is thrown unchanged, and the upload goes on where the target says':
    'It keeps bytes beyond the last whole block; the check asks for whole blocks, as the real service keeps them.',
  'the condition "absent" is judged at the end of the upload': UNCONDITIONAL,
  'a token is judged at the end of the upload, its metadata part included': UNCONDITIONAL,
  'an upload whose bytes do not match their checksum never becomes visible': NO_FINISH_CHECKSUM,
  'a cancelled upload is lost': 'It does not know cancelling and answers 501.',
  'odd names are kept byte by byte and never meet': DOTS_BREAK,
  'names that are odd from their first byte are kept': DOTS_BREAK,
};
