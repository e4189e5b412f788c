// The target driver for Google Cloud Storage: a thin client of its JSON API (uploads by one multipart insert or a
// resumable session), every effect conditioned on generation and metageneration.
import type { Clock } from '../../core/clock.ts';
import type { ObjectTarget } from '../../core/object-target.ts';
import type { HttpClient } from '../../exchange/connections.ts';
import type { AccessTokens } from '../../google/access-token.ts';
import { GcsConnection, type GcsTimeouts } from './gcs-connection.ts';
import { nameProblem } from './gcs-names.ts';
import { insert, list, look, remove, updateMetadata } from './single-requests.ts';
import {
  BLOCK_BYTES,
  cancelUpload,
  finishUpload,
  openUpload,
  SESSION_LIFETIME_MS,
  sendUpload,
  uploadProgress,
} from './upload-session.ts';

const GOOGLE_ENDPOINT = 'https://storage.googleapis.com';
const MAX_OBJECT_BYTES = 5 * 1024 ** 4;
const MAX_CUSTOM_METADATA_BYTES = 8192;
/** One write a second to one object name (https://docs.cloud.google.com/storage/quotas#objects). */
const SAME_NAME_INTERVAL_MS = 1_000;

export interface GcsTargetOptions {
  /** As in STORAGE_EMULATOR_HOST: `http://host:port` or `host:port`; null means Google's own endpoint. */
  readonly endpoint: string | null;
  /** Null sends requests without an Authorization header. */
  readonly accessToken: AccessTokens | null;
  readonly clock: Clock;
  readonly timeouts: GcsTimeouts;
  /** Upper bound of open connections. */
  readonly connections: number;
  /** Our own client by default. */
  readonly httpClient?: HttpClient;
}

/**
 * Opens the driver. Nothing is sent before the first call. Throws an Error where the endpoint cannot be understood.
 * `close` ends all connections; requests that are still running fail.
 */
export async function openGcsTarget(
  options: GcsTargetOptions,
): Promise<ObjectTarget & { close(): Promise<void> }> {
  const connection = new GcsConnection({ ...options, origin: originOf(options.endpoint) });
  return {
    capabilities: {
      nameProblem,
      maxObjectBytes: MAX_OBJECT_BYTES,
      maxCustomMetadataBytes: MAX_CUSTOM_METADATA_BYTES,
      blockBytes: BLOCK_BYTES,
      uploadLifetimeMs: SESSION_LIFETIME_MS,
      sameNameIntervalMs: SAME_NAME_INTERVAL_MS,
    },
    look: async (location, signal) => await look(connection, location, signal),
    insert: async (request, signal) => await insert(connection, request, signal),
    openUpload: async (request, signal) => await openUpload(connection, request, signal),
    sendUpload: async (request, signal) => await sendUpload(connection, request, signal),
    uploadProgress: async (session, signal) => await uploadProgress(connection, session, signal),
    finishUpload: async (request, signal) => await finishUpload(connection, request, signal),
    cancelUpload: async (session, signal) => await cancelUpload(connection, session, signal),
    updateMetadata: async (request, signal) => await updateMetadata(connection, request, signal),
    remove: async (request, signal) => await remove(connection, request, signal),
    list: async (request, signal) => await list(connection, request, signal),
    close: async () => await connection.close(),
  };
}

/** Scheme, host and port of an endpoint; Google's own where it is null. Throws an Error where it is neither. */
export function originOf(endpoint: string | null): string {
  if (endpoint === null) return GOOGLE_ENDPOINT;
  const withScheme = /^https?:\/\//i.test(endpoint) ? endpoint : `http://${endpoint}`;
  const url = URL.parse(withScheme);
  if (url === null || !/^(\/storage\/v1)?\/?$/.test(url.pathname) || url.search !== '' || url.username !== '')
    throw new Error(`The Google Cloud Storage endpoint is not of the form http(s)://host:port: ${endpoint}`);
  return url.origin;
}
