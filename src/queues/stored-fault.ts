// A fault as drivers keep it: JSON, whose code may be one that only a newer version knows.
import { type FaultCode, type FaultRecord, isFaultCode } from '../core/faults.ts';

/** The fault in this text; null where there is none. */
export function parseStoredFault(json: string | null): FaultRecord | null {
  if (json === null) return null;
  const fault = JSON.parse(json) as FaultRecord;
  return { ...fault, code: knownFaultCode(fault.code) };
}

/** The code, or `unexpected` for one of a version that knew more faults than this one. */
export function knownFaultCode(code: string): FaultCode {
  return isFaultCode(code) ? code : 'unexpected';
}
