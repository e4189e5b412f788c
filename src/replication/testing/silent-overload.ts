// What an intake gate, a quota and a host watch tell, heard by nobody.

export const SILENT_OVERLOAD = {
  intakeRefused() {},
  overloadBegan() {},
  overloadEnded() {},
  diskSpaceLow() {},
  diskSpaceUnknown() {},
};
