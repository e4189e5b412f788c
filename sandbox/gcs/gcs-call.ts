// What every route gets: the sandbox's state and the request in hand.
import type { SandboxRequest } from '../http-server.ts';
import type { AccessRules } from './access.ts';
import type { Query } from './gcs-query.ts';
import { objectResource } from './object-resource.ts';
import type { StoredObject, StoreState } from './store-state.ts';
import type { UploadSessions } from './upload-sessions.ts';

export interface GcsCall {
  readonly request: SandboxRequest;
  readonly query: Query;
  /** `http://host:port` as the caller addressed it: what links in answers begin with. */
  readonly baseUrl: string;
  readonly state: StoreState;
  readonly sessions: UploadSessions;
  readonly access: AccessRules;
}

/** The resource of an object as this caller sees it. */
export function resourceFor(call: GcsCall, object: StoredObject): Record<string, unknown> {
  return objectResource(object, call.baseUrl, call.state.bucket(object.bucket));
}
